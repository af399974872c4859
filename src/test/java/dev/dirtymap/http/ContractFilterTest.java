package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import io.restassured.RestAssured;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The filter sees what breaks the contract, in answers that our own server never gives.
class ContractFilterTest {

    private static final String JSON = "application/json";
    private static final String PROBLEM = "application/problem+json";
    private static final String IMAGE =
            "{\"id\":\"a\",\"name\":\"a\",\"state\":\"AVAILABLE\",\"opensInQemu\":true}";

    private final HttpServer server;

    ContractFilterTest() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    }

    /// Answers every request alike.
    private void answer(int status, String type, String body, String... headers) {
        server.createContext(
                "/",
                exchange -> {
                    for (int i = 0; i < headers.length; i += 2) {
                        exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
                    }
                    exchange.getResponseHeaders().set("Content-Type", type);
                    byte[] bytes = body.getBytes(UTF_8);
                    exchange.sendResponseHeaders(status, bytes.length);
                    exchange.getResponseBody().write(bytes);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void get(String path) {
        RestAssured.given()
                .baseUri("http://127.0.0.1")
                .port(server.getAddress().getPort())
                .filter(new ContractFilter())
                .get(path);
    }

    private void assertRefused(String path, String why) {
        assertThatThrownBy(() -> get(path))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining(why);
    }

    @Test
    void anAnswerAsDocumentedPasses() {
        answer(200, JSON, IMAGE, "X-Request-Id", "1", "ETag", "\"1\"");
        assertThatCode(() -> get("/v1/images/a")).doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    {"id":"a","name":"a","state":"AVAILABLE"} | opensInQemu
                    {"id":"a","name":"a","state":"ASLEEP","opensInQemu":true} | /state
                    {"id":"a","name":"a","state":"AVAILABLE","opensInQemu":"yes"} | /opensInQemu
                    {"id":"a","name":"a","state":"AVAILABLE","opensInQemu":true,"reason":null} | /reason: is null
                    {"id":"a","name":"a","state":"AVAILABLE","opensInQemu":true,"color":"red"} | color
                    {"id":"a","name":"a","state":"AVAILABLE","opensInQemu":true,"features":{"compatible":[7]}} | /features/compatible/0
                    {"id": | not JSON
                    """)
    void aWrongBodyFails(String body, String why) {
        answer(200, JSON, body, "X-Request-Id", "1", "ETag", "\"1\"");
        assertRefused("/v1/images/a", why);
    }

    @Test
    void anotherContentTypeFails() {
        answer(200, "text/plain", IMAGE, "X-Request-Id", "1", "ETag", "\"1\"");
        assertRefused("/v1/images/a", "content type text/plain is not documented");
    }

    @Test
    void aMissingHeaderFails() {
        answer(200, JSON, IMAGE, "X-Request-Id", "1");
        assertRefused("/v1/images/a", "there is no ETag");
    }

    @Test
    void aMissingRequestIdFails() {
        answer(200, JSON, IMAGE, "ETag", "\"1\"");
        assertRefused("/v1/images/a", "there is no X-Request-Id");
    }

    @Test
    void anUndocumentedStatusFails() {
        answer(418, PROBLEM, "{}", "X-Request-Id", "1");
        assertRefused("/v1/images/a", "the status is not documented");
    }

    @Test
    void anUndocumentedPathFails() {
        answer(200, JSON, IMAGE, "X-Request-Id", "1");
        assertRefused("/v1/imagines", "the path is not in it");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    {"type":"/problems/image-not-found","title":"t","status":404,"detail":"d","instance":"/v1/images/a"} | remedy
                    {"type":"/problems/disk-on-fire","title":"t","status":404,"detail":"d","instance":"/v1/images/a","remedy":"r"} | no problem type
                    {"type":"/problems/image-not-found","title":"t","status":500,"detail":"d","instance":"/v1/images/a","remedy":"r"} | status is 500
                    """)
    void aWrongProblemFails(String body, String why) {
        answer(404, PROBLEM, body, "X-Request-Id", "1");
        assertRefused("/v1/images/a", why);
    }

    @Test
    void aPathOutsideIsNotLookedAt() {
        answer(200, "text/plain", "up");
        assertThatCode(() -> get("/actuator/health")).doesNotThrowAnyException();
    }
}
