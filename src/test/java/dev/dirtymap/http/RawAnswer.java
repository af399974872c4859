package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// An answer as it came over the wire, to a request that no HTTP client would send.
///
/// @param text all of it, one char a byte
record RawAnswer(int status, Map<String, String> headers, String body, String text) {

    /// Sends bytes as they are, and reads until the server closes the connection.
    ///
    /// @param request one char a byte
    static RawAnswer to(int port, String request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(request.getBytes(ISO_8859_1));
            socket.shutdownOutput();
            return of(new String(socket.getInputStream().readAllBytes(), ISO_8859_1));
        }
    }

    static RawAnswer of(String text) {
        if (text.startsWith("HTTP/1.1 100 ")) {
            return of(text.substring(text.indexOf("\r\n\r\n") + 4));
        }
        int end = text.indexOf("\r\n\r\n");
        assertThat(end).as(text).isPositive();
        String[] lines = text.substring(0, end).split("\r\n", -1);
        assertThat(lines[0]).matches("HTTP/1\\.1 [0-9]{3} ?");
        Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (int i = 1; i < lines.length; i++) {
            int colon = lines[i].indexOf(':');
            headers.put(lines[i].substring(0, colon), lines[i].substring(colon + 1).strip());
        }
        String body = text.substring(end + 4);
        return new RawAnswer(
                Integer.parseInt(lines[0].substring(9, 12)),
                headers,
                "chunked".equals(headers.get("Transfer-Encoding")) ? joined(body) : body,
                text);
    }

    /// The chunks of a body as one; what a broken end leaves out is missing.
    private static String joined(String chunks) {
        StringBuilder body = new StringBuilder();
        int at = 0;
        while (true) {
            int end = chunks.indexOf("\r\n", at);
            if (end < 0) {
                return body.toString();
            }
            int length = Integer.parseInt(chunks.substring(at, end), 16);
            body.append(chunks, end + 2, Math.min(chunks.length(), end + 2 + length));
            if (length == 0) {
                return body.toString();
            }
            at = end + 2 + length + 2;
        }
    }

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
        JsonNode problem = Contract.json(body);
        assertThat(Contract.committed().violations(problem, "/components/schemas/Problem"))
                .isEmpty();
        assertThat(problem.path("status").asInt()).isEqualTo(status);
        if (instance != null) {
            assertThat(problem.path("instance").asString()).isEqualTo(instance);
        }
        return problem;
    }
}
