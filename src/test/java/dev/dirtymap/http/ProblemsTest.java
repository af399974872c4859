package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.matchesPattern;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.startsWith;

import io.restassured.specification.RequestSpecification;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// Every error is a problem, whoever raises it, and tells nothing of the server's inside.
class ProblemsTest {

    private static RequestSpecification request() {
        return Server.shared().request();
    }

    @ParameterizedTest
    @EnumSource
    void everyTypeHasAPage(ProblemType type) {
        request()
                .get(type.path())
                .then()
                .statusCode(200)
                .contentType(startsWith("text/html"))
                .body(containsString(type.title()))
                .body(containsString(type.explanation()))
                .body(containsString(type.remedy()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/problems/disk-on-fire", "/problems/IMAGE-LOCKED", "/problems/a~2Fb"})
    void anUnknownTypeHasNone(String path) {
        request()
                .get(path)
                .then()
                .statusCode(404)
                .body("type", equalTo("/problems/not-found"))
                .body("detail", containsString(path.substring(path.lastIndexOf('/') + 1)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/v1",
                "/v2/images",
                "/v1/images/",
                "/v1/images/../../etc/passwd",
                "/error",
                "/META-INF/MANIFEST.MF",
                "/favicon.ico"
            })
    void aPathThatIsNoneIsNotFound(String path) {
        request()
                .get(path)
                .then()
                .statusCode(404)
                .header("Content-Disposition", not(containsString("filename")))
                .body("type", equalTo("/problems/not-found"))
                .body("instance", equalTo(path));
    }

    @ParameterizedTest
    @ValueSource(strings = {"POST", "PUT", "PATCH", "DELETE"})
    void aMethodThatIsNoneNamesTheOthers(String method) {
        request()
                .request(method, "/v1/images/sample.qcow2/bitmaps/daily/extents")
                .then()
                .statusCode(405)
                .header("Allow", equalTo("GET,HEAD,OPTIONS"))
                .body("type", equalTo("/problems/method-not-allowed"))
                .body("detail", containsString(method));
    }

    @Test
    void whatIsNotAcceptableNamesWhatIs() {
        request()
                .header("Accept", "image/png")
                .get("/v1/images")
                .then()
                .statusCode(406)
                .body(
                        "detail",
                        equalTo(
                                "the header Accept must allow application/json, but was 'image/png'"));
    }

    @Test
    void aProblemIsNoDownload() {
        request()
                .get("/v1/images/nothing.qcow2")
                .then()
                .statusCode(404)
                .header("Content-Disposition", equalTo("inline"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/images?limit=%zz", "/v1/images?%zz=1", "/v1/images?prefix=%"})
    void aBrokenQueryIsInvalid(String path) throws IOException {
        Answer answer = send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.problem("/v1/images").path("type").asString())
                .isEqualTo("/problems/invalid-request");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/images/a%2Fb",
                "/v1/images/a%5Cb",
                "/v1/images/a%00b",
                "/v1/images/a%zz",
                "/v1/images/a%",
                "/v1/images/%ff",
                "/../../etc/passwd"
            })
    void aBrokenPathIsInvalid(String path) throws IOException {
        Answer answer = send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.problem(path).path("detail").asString()).contains("~2F");
    }

    @ParameterizedTest
    @CsvSource({
        "GET^^, 400",
        "GARBAGE^^, 400",
        "GET /v1/images HTTP/9.9^Host: x^^, 505",
        "GET /v1/images HTTP/1.1^^, 400",
        "GET /v1/images HTTP/1.1^Host: x^Host: y^^, 400",
        "GET /v1/images HTTP/1.1^Host: x^Bad Header: 1^^, 400",
        "GET /v1/images HTTP/1.1^Host: x^Expect: miracle^^, 417",
        "POST /v1/images HTTP/1.1^Host: x^Content-Length: -1^^, 400",
        "POST /v1/images HTTP/1.1^Host: x^Transfer-Encoding: magic^^, 501",
        "GET /v1/images/a\0b HTTP/1.1^Host: x^^, 400",
        "GET /v1/images/a\\b HTTP/1.1^Host: x^^, 400",
        "GET /v1/images/\u00ff HTTP/1.1^Host: x^^, 400",
        "FOO /v1/images HTTP/1.1^Host: x^Connection: close^^, 405",
        "get /v1/images HTTP/1.1^Host: x^Connection: close^^, 405",
        "TRACE /v1/images HTTP/1.1^Host: x^Connection: close^^, 405",
        "CONNECT /v1/images HTTP/1.1^Host: x^Connection: close^^, 501"
    })
    void whatTheConnectorRefusesIsAProblem(String request, int status) throws IOException {
        Answer answer = send(request.replace("^", "\r\n"));
        assertThat(answer.status()).as(answer.text()).isEqualTo(status);
        answer.problem(null);
    }

    @Test
    void whatIsTooLongIsAProblem() throws IOException {
        String much = "a".repeat(70_000);
        assertThat(send("GET /v1/images/" + much + " HTTP/1.1\r\nHost: x\r\n\r\n").problem(null))
                .isNotNull();
        Answer header = send("GET /v1/images HTTP/1.1\r\nHost: x\r\nX-Much: " + much + "\r\n\r\n");
        assertThat(header.problem(null).path("detail").asString()).contains("64 KiB");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/images/nothing", "/v1/images/a%2Fb", "/META-INF/x"})
    void aSaneRequestIdIsKept(String path) {
        request()
                .header("X-Request-Id", "backup-7:a.b")
                .get(path)
                .then()
                .header("X-Request-Id", equalTo("backup-7:a.b"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a b", "<script>", "a\"b", "caf\u00e9", ""})
    void anInsaneRequestIdIsReplaced(String id) {
        request()
                .header("X-Request-Id", id)
                .get("/v1/images/nothing")
                .then()
                .header(
                        "X-Request-Id",
                        matchesPattern("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
    }

    @Test
    void anEndlessRequestIdIsReplaced() {
        anInsaneRequestIdIsReplaced("a".repeat(129));
    }

    @Test
    void headIsGetWithoutBody() {
        String etag = request().head("/v1/images").then().statusCode(200).extract().header("ETag");
        assertThat(etag).isEqualTo(request().get("/v1/images").header("ETag"));
        assertThat(request().head("/v1/images/nothing").then().statusCode(404).extract().asString())
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"/v1/images/a", "/v1/images/a/bitmaps/b/extents", "/problems/not-found"})
    void optionsNamesTheMethods(String path) {
        request().options(path).then().statusCode(200).header("Allow", equalTo("GET,HEAD,OPTIONS"));
    }

    /// An answer as it came over the wire.
    private record Answer(int status, Map<String, String> headers, String body, String text) {

        /// The problem, after a look at everything that all problems have in common.
        ///
        /// @param instance what it must be about; null if the request has no path to speak of
        JsonNode problem(@Nullable String instance) {
            assertThat(headers.get("content-type")).as(text).startsWith("application/problem+json");
            assertThat(headers.get("x-request-id")).as(text).isNotBlank();
            assertThat(headers).doesNotContainKeys("server", "x-powered-by");
            assertThat(text)
                    .doesNotContainIgnoringCase("tomcat")
                    .doesNotContainIgnoringCase("apache")
                    .doesNotContain("Exception", "java.", "\\tat ");
            JsonNode problem =
                    Contract.json(body.substring(body.indexOf('{'), body.lastIndexOf('}') + 1));
            assertThat(Contract.committed().violations(problem, "/components/schemas/Problem"))
                    .isEmpty();
            assertThat(problem.path("status").asInt()).isEqualTo(status);
            if (instance != null) {
                assertThat(problem.path("instance").asString()).isEqualTo(instance);
            }
            return problem;
        }
    }

    /// Sends bytes as they are, and reads until the server closes the connection.
    private static Answer send(String request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), Server.shared().port())) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(request.getBytes(ISO_8859_1));
            socket.shutdownOutput();
            String text = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
            int end = text.indexOf("\r\n\r\n");
            assertThat(end).as(text).isPositive();
            String[] lines = text.substring(0, end).split("\r\n", -1);
            assertThat(lines[0]).matches("HTTP/1\\.1 [0-9]{3} ?");
            Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            for (int i = 1; i < lines.length; i++) {
                int colon = lines[i].indexOf(':');
                headers.put(lines[i].substring(0, colon), lines[i].substring(colon + 1).strip());
            }
            return new Answer(
                    Integer.parseInt(lines[0].substring(9, 12)),
                    headers,
                    text.substring(end + 4),
                    text);
        }
    }
}
