package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.matchesPattern;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.startsWith;

import io.restassured.specification.RequestSpecification;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

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
        RawAnswer answer =
                send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
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
        RawAnswer answer =
                send("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
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
        RawAnswer answer = send(request.replace("^", "\r\n"));
        assertThat(answer.status()).as(answer.text()).isEqualTo(status);
        answer.problem(null);
    }

    @Test
    void whatIsTooLongIsAProblem() throws IOException {
        String much = "a".repeat(70_000);
        assertThat(send("GET /v1/images/" + much + " HTTP/1.1\r\nHost: x\r\n\r\n").problem(null))
                .isNotNull();
        RawAnswer header =
                send("GET /v1/images HTTP/1.1\r\nHost: x\r\nX-Much: " + much + "\r\n\r\n");
        assertThat(header.problem(null).path("detail").asString()).contains("64 KiB");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/a", ";a", "/;", "/..", "//", ";1,1,"})
    void aPathOfManyPartsIsAProblem(String part) throws IOException {
        RawAnswer answer =
                send("GET /v1/images" + part.repeat(10_000) + " HTTP/1.1\r\nHost: x\r\n\r\n");
        assertThat(answer.status()).as(answer.text()).isEqualTo(400);
        assertThat(answer.problem(null).path("detail").asString()).contains("at most 32 '/'");
        assertThat(answer.text()).hasSizeLessThan(1200);
    }

    @ParameterizedTest
    @CsvSource({"26000, 404", "28672, 404", "28673, 400", "60000, 400"})
    void aPathTooLongIsAProblem(int length, int status) throws IOException {
        RawAnswer answer =
                send(
                        "GET /v1/images/%s/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                .formatted("a".repeat(length - 13)));
        assertThat(answer.status()).as(answer.text()).isEqualTo(status);
    }

    /// The media types of a text are kept: those of a long one would be megabytes.
    @ParameterizedTest
    @CsvSource({"Accept, 1024, 200", "Accept, 1025, 400", "Content-Type, 1025, 400"})
    void mediaTypesTooLongAreAProblem(String header, int length, int status) throws IOException {
        String much = "*/*;a=" + "1".repeat(length - 6 - 6) + "," + ",".repeat(5);
        RawAnswer answer =
                send(
                        "GET /v1/images HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s: %s\r\n%s: %s\r\n\r\n"
                                .formatted(
                                        header,
                                        much.substring(0, length - 5),
                                        header,
                                        much.substring(length - 5)));
        assertThat(answer.status()).as(answer.text()).isEqualTo(status);
        if (status != 200) {
            assertThat(answer.problem("/v1/images").path("detail").asString())
                    .contains("1024 bytes");
        }
    }

    @Test
    void aPathOfSomePartsIsJustNotFound() throws IOException {
        RawAnswer answer =
                send(
                        "GET /v1/images"
                                + "/a".repeat(RequestLimits.MAX_SEPARATORS - 2)
                                + " HTTP/1.1\r\nHost: x\r\n\r\n");
        assertThat(answer.status()).as(answer.text()).isEqualTo(404);
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

    private static RawAnswer send(String request) throws IOException {
        return RawAnswer.to(Server.shared().port(), request);
    }
}
