package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.testimages.QemuImg;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What one request may hold: each limit is a problem that says so.
class RequestLimitsTest {

    private static final Client CLIENT = Client.of(Server.shared());
    private static final Path FOLDER = Server.shared().newFolder();
    private static final String IMAGE = "/v1/images/" + FOLDER.getFileName() + "~2Fdisk";

    @BeforeAll
    static void create() {
        new QemuImg(FOLDER).create("disk", "1M");
        new QemuImg(FOLDER).bitmapAdd("disk", "a", 65536, true);
    }

    static Stream<Arguments> bodies() {
        String range = "{\"offset\":0,\"length\":1}";
        String operation = "{\"op\":\"ENABLE\",\"bitmap\":\"a\"}";
        String source = "{\"bitmap\":\"a\"}";
        return Stream.of(
                Arguments.of("a depth of 33", "/bitmaps/a/mark", "[".repeat(33), "nested"),
                Arguments.of("no end of depth", "/check", "{\"a\":".repeat(100_000), "nested"),
                Arguments.of(
                        "101 digits",
                        "/bitmaps",
                        "{\"granularity\":" + "9".repeat(101) + "}",
                        "100 digits"),
                Arguments.of(
                        "100,001 ranges",
                        "/bitmaps/a/mark",
                        "{\"dirty\":true,\"ranges\":[%s]}".formatted(list(range, 100_001)),
                        "at most 100000 elements"),
                Arguments.of(
                        "10,001 operations",
                        "/transactions",
                        "{\"operations\":[%s]}".formatted(list(operation, 10_001)),
                        "at most 10000 elements"),
                Arguments.of(
                        "1001 sources",
                        "/bitmaps/a/merge",
                        "{\"sources\":[%s]}".formatted(list(source, 1001)),
                        "at most 1000 elements"),
                Arguments.of(
                        "a name of 1024 bytes",
                        "/bitmaps",
                        "{\"name\":\"%s\"}".formatted("n".repeat(1024)),
                        "1 to 1023 bytes"));
    }

    private static String list(String element, int count) {
        return (element + ",").repeat(count - 1) + element;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("bodies")
    void aBodyWithTooMuchIsInvalid(String what, String path, String body, String expected) {
        assertThat(
                        CLIENT.send("POST", IMAGE + path, body)
                                .problem(400, "invalid-request")
                                .path("errors")
                                .toString())
                .as(what)
                .contains(expected);
    }

    @Test
    void aBodyThatComesByteByByteIsGivenUp() {
        InputStream endless =
                new InputStream() {
                    @Override
                    public int read() {
                        return ' ';
                    }

                    @Override
                    public int read(byte[] bytes, int offset, int length) {
                        bytes[offset] = ' ';
                        return 1;
                    }
                };
        assertThatThrownBy(() -> JsonBodies.readAll(endless, 10_000_000L))
                .isInstanceOf(ProblemException.class)
                .hasMessageContaining("must be sent within a minute");
    }

    static Stream<String> sized() {
        return Stream.of("/bitmaps", "/bitmaps/a/clear", "/transactions", "/check");
    }

    @ParameterizedTest
    @MethodSource("sized")
    void aBodyOfMoreThanFourMebibytesIsTooLarge(String path) {
        byte[] body = (" ".repeat(4 << 20) + "{}").getBytes(US_ASCII);
        String type = "application/json";
        CLIENT.send("POST", IMAGE + path, body, "Content-Type", type)
                .problem(413, "request-too-large");
        CLIENT.sendChunked("POST", IMAGE + path, body, "Content-Type", type)
                .problem(413, "request-too-large");
    }
}
