package dev.dirtymap.http;

import io.restassured.RestAssured;
import io.restassured.specification.RequestSpecification;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/// The running service, in a process with a heap of 64 MiB, which has to suffice for every request of every
/// test. Most tests share one, each with a folder of its own below the root, since a start takes seconds;
/// those about configuration start their own.
public final class Server implements AutoCloseable {

    private static final class Shared {
        static final Server IT = startShared();
    }

    private final Path root;
    private final ServiceProcess process;
    private final int port;

    private Server(Path root, ServiceProcess process) {
        this.root = root;
        this.process = process;
        this.port = process.port();
    }

    /// The server that tests share; it runs until the JVM ends.
    public static Server shared() {
        return Shared.IT;
    }

    private static Server startShared() {
        try {
            Path root = Files.createTempDirectory("dirtymap-root");
            Server server = start(root);
            Runtime.getRuntime().addShutdownHook(new Thread(server::close));
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Starts a server on a free port.
    ///
    /// @param properties further ones, as `name=value`
    public static Server start(Path root, String... properties) {
        String[] arguments = Arrays.copyOf(properties, properties.length + 1);
        arguments[properties.length] = "dirtymap.root=" + root;
        ServiceProcess process = ServiceProcess.start(root, Map.of(), coverageAgent(), arguments);
        try {
            return new Server(root, process);
        } catch (AssertionError notReady) {
            process.close();
            throw notReady;
        }
    }

    /// Coverage is measured in the service too.
    private static List<String> coverageAgent() {
        return ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> argument.startsWith("-javaagent:"))
                .toList();
    }

    /// The folder that is served.
    public Path root() {
        return root;
    }

    /// A new folder below the root, for one test. Its name is a prefix that no other test has.
    public Path newFolder() {
        try {
            return Files.createTempDirectory(root, "t");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public int port() {
        return port;
    }

    /// What it printed so far.
    public String log() {
        return process.log();
    }

    long pid() {
        return process.pid();
    }

    /// A request to this server. Paths are sent as they are given, and the answer is held to the contract.
    public RequestSpecification request() {
        return RestAssured.given()
                .baseUri("http://127.0.0.1")
                .port(port())
                .urlEncodingEnabled(false)
                .filter(new ContractFilter());
    }

    @Override
    public void close() {
        process.close();
    }
}
