package dev.dirtymap.http;

import dev.dirtymap.Application;
import io.restassured.RestAssured;
import io.restassured.specification.RequestSpecification;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;

/// The running service. Most tests share one, each with a folder of its own below the root, since a start
/// takes seconds; those about configuration start their own.
public final class Server implements AutoCloseable {

    private static final class Shared {
        static final Server IT = startShared();
    }

    private final Path root;
    private final ConfigurableApplicationContext context;

    private Server(Path root, ConfigurableApplicationContext context) {
        this.root = root;
        this.context = context;
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
        List<String> arguments =
                new ArrayList<>(List.of("--server.port=0", "--dirtymap.root=" + root));
        for (String property : properties) {
            arguments.add("--" + property);
        }
        return new Server(
                root,
                new SpringApplicationBuilder(Application.class)
                        .run(arguments.toArray(String[]::new)));
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
        return Objects.requireNonNull(((WebServerApplicationContext) context).getWebServer())
                .getPort();
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
        context.close();
    }
}
