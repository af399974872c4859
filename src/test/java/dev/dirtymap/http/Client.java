package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Arrays;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// A client of one server that sends paths and headers as they are given and hands over answers as bytes.
///
/// @param port where the server listens on the loopback address
public record Client(int port) {

    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    public static Client of(Server server) {
        return new Client(server.port());
    }

    /// A whole answer.
    public record Answer(String path, HttpResponse<byte[]> response) {

        public int status() {
            return response.statusCode();
        }

        public byte[] body() {
            return response.body();
        }

        /// The first value of a header; empty if there is none.
        public String header(String name) {
            return response.headers().firstValue(name).orElse("");
        }

        public String etag() {
            assertThat(header("ETag")).as("ETag of %s", path).matches("(W/)?\"[^\"]+\"");
            return header("ETag");
        }

        /// The body of a success.
        public JsonNode json() {
            return json(200);
        }

        /// The body of a success with this status.
        public JsonNode json(int status) {
            assertThat(status()).as("%s: %s", path, text()).isEqualTo(status);
            return JsonMapper.shared().readTree(body());
        }

        /// The body of a problem of one kind.
        ///
        /// @param slug the last part of its type
        public JsonNode problem(int status, String slug) {
            assertThat(status()).as("%s: %s", path, text()).isEqualTo(status);
            assertThat(header("Content-Type")).startsWith("application/problem+json");
            JsonNode problem = JsonMapper.shared().readTree(body());
            assertThat(problem.path("type").asString()).as(text()).isEqualTo("/problems/" + slug);
            assertThat(problem.path("status").asInt()).isEqualTo(status);
            return problem;
        }

        /// The slug of a problem; empty if this is a success.
        public String slug() {
            return status() < 400
                    ? ""
                    : JsonMapper.shared()
                            .readTree(body())
                            .path("type")
                            .asString()
                            .substring("/problems/".length());
        }

        private String text() {
            byte[] body = body();
            return new String(body, 0, Math.min(body.length, 2000), UTF_8);
        }
    }

    /// Sends a GET.
    ///
    /// @param headers names and values by turns
    public Answer get(String path, String... headers) {
        return answer("GET", path, BodyPublishers.noBody(), headers);
    }

    public Answer head(String path, String... headers) {
        return answer("HEAD", path, BodyPublishers.noBody(), headers);
    }

    /// Sends a request with a JSON body.
    ///
    /// @param json empty for none at all
    public Answer send(String method, String path, String json, String... headers) {
        if (json.isEmpty()) {
            return answer(method, path, BodyPublishers.noBody(), headers);
        }
        String[] all = Arrays.copyOf(headers, headers.length + 2);
        all[headers.length] = "Content-Type";
        all[headers.length + 1] = "application/json";
        return answer(method, path, BodyPublishers.ofString(json), all);
    }

    /// Sends a request with a body of bytes, whose type is among the headers.
    public Answer send(String method, String path, byte[] body, String... headers) {
        return answer(method, path, BodyPublishers.ofByteArray(body), headers);
    }

    /// Sends a body without saying how long it is.
    public Answer sendChunked(String method, String path, byte[] body, String... headers) {
        return answer(
                method,
                path,
                BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)),
                headers);
    }

    /// Sends a request, and holds the answer to the contract.
    private Answer answer(String method, String path, BodyPublisher body, String... headers) {
        HttpResponse<byte[]> response =
                exchange(method, path, body, BodyHandlers.ofByteArray(), headers);
        new Exchange(
                        method,
                        response.uri().getRawPath(),
                        response.statusCode(),
                        name -> response.headers().firstValue(name).orElse(null),
                        response.body().length,
                        () -> new String(response.body(), UTF_8))
                .requireContract();
        return new Answer(path, response);
    }

    /// The body of a success, as JSON.
    public JsonNode json(String path) {
        return get(path).json();
    }

    /// An answer whose body is read by the caller, who closes it.
    public HttpResponse<InputStream> stream(String path, String... headers) {
        return exchange(
                "GET", path, BodyPublishers.noBody(), BodyHandlers.ofInputStream(), headers);
    }

    private <T> HttpResponse<T> exchange(
            String method,
            String path,
            BodyPublisher sent,
            HttpResponse.BodyHandler<T> body,
            String... headers) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                        .timeout(Duration.ofSeconds(60))
                        .method(method, sent);
        if (headers.length > 0) {
            request.headers(headers);
        }
        try {
            return HTTP.send(request.build(), body);
        } catch (IOException e) {
            throw new UncheckedIOException(path, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(path, e);
        }
    }
}
