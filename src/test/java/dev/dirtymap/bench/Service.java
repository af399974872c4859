package dev.dirtymap.bench;

import dev.dirtymap.bench.Connection.Answer;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The packaged service in a process of its own, so that its memory is that of nobody else.
final class Service implements AutoCloseable {

    /// The least heap that is supported, and the collector of the container image.
    static final List<String> HEAP = List.of("-Xmx64m", "-XX:+UseSerialGC");

    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(90);

    private final Process process;
    private final int port;
    private final double secondsToReady;
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private Service(Process process, int port, double secondsToReady) {
        this.process = process;
        this.port = port;
        this.secondsToReady = secondsToReady;
    }

    /// The jar that `mvn -DskipTests package` made.
    static Path jar() {
        Path jar = Path.of("target", "dirtymap.jar").toAbsolutePath();
        if (!Files.exists(jar)) {
            throw new IllegalStateException(
                    "There is no target/dirtymap.jar: run mvn -DskipTests package.");
        }
        return jar;
    }

    static Path java() {
        return Path.of(System.getProperty("java.home"), "bin", "java");
    }

    /// Starts it and waits until it is ready.
    ///
    /// @param root what it serves
    /// @param jar from which it starts
    /// @param arguments for the JVM
    static Service start(Path root, Path jar, List<String> arguments)
            throws IOException, InterruptedException {
        int port = freePort();
        List<String> command = new ArrayList<>(List.of(java().toString()));
        command.addAll(arguments);
        command.addAll(
                List.of(
                        "-jar",
                        jar.toString(),
                        "--dirtymap.root=" + root,
                        "--server.port=" + port));
        Path log = Path.of("target", "bench-service.log");
        long start = System.nanoTime();
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(Redirect.to(log.toFile()))
                        .start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        while (!isReady(port)) {
            if (!process.isAlive() || System.nanoTime() - start > PATIENCE_NANOS) {
                process.destroyForcibly();
                throw new IllegalStateException(
                        "the service is not ready: " + Files.readString(log));
            }
            Thread.sleep(5);
        }
        return new Service(process, port, (System.nanoTime() - start) / 1e9);
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static boolean isReady(int port) {
        try (var connection = new Connection(port)) {
            return connection.get("/actuator/health/readiness").status() == 200;
        } catch (IOException e) {
            return false;
        }
    }

    int port() {
        return port;
    }

    /// From the start of the process to the first answer that says ready.
    double secondsToReady() {
        return secondsToReady;
    }

    String url(String path) {
        return "http://127.0.0.1:" + port + path;
    }

    /// The body of a success.
    JsonNode get(String path) throws IOException {
        try (var connection = new Connection(port)) {
            Answer answer = connection.get(path);
            if (answer.status() != 200) {
                throw new IllegalStateException(path + ": " + answer.text());
            }
            return JsonMapper.shared().readTree(answer.body());
        }
    }

    /// Sends a body, and demands success.
    JsonNode send(String method, String path, String type, byte[] body)
            throws IOException, InterruptedException {
        HttpResponse<String> answer =
                http.send(
                        HttpRequest.newBuilder(URI.create(url(path)))
                                .header("Content-Type", type)
                                .method(method, BodyPublishers.ofByteArray(body))
                                .build(),
                        BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(path + ": " + answer.body());
        }
        return JsonMapper.shared().readTree(answer.body());
    }

    /// Memory that the process has now.
    long residentBytes() throws IOException {
        return Memory.of(process.pid(), "VmRSS:");
    }

    /// The most memory that the process had since the start or [#forgetPeak].
    long peakBytes() throws IOException {
        return Memory.of(process.pid(), "VmHWM:");
    }

    /// Lets the peak begin anew, where the system allows that.
    void forgetPeak() throws IOException {
        Files.writeString(Path.of("/proc/" + process.pid() + "/clear_refs"), "5");
    }

    /// Ends it with SIGTERM and waits until it is gone.
    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(90, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
