package dev.dirtymap.delivery;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.Command;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/// What the `Dockerfile` puts into the image, made in the same way, in a folder: the runtime, the unpacked jar and the
/// cache.
record UnpackedService(Path folder) {

    static UnpackedService make(Path folder) throws IOException {
        UnpackedService made = new UnpackedService(folder);
        tool(
                "jlink",
                "--add-modules",
                Dockerfile.modules(),
                "--no-header-files",
                "--no-man-pages",
                "--strip-java-debug-attributes",
                "--output",
                made.runtime().toString());
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        Command.of("env", java.toString(), "-Djarmode=tools", "-jar", SupplyChainIT.JAR.toString())
                .with("extract", "--destination", made.app().toString())
                .run();
        Command.of("bash", "bin/train-cache", made.runtime() + "/bin/java")
                .with(made.jar().toString(), made.cache().toString())
                .within(Duration.ofMinutes(5))
                .run();
        return made;
    }

    /// The modules that the jars use, as `jdeps` finds them.
    String modulesInUse() throws IOException {
        try (Stream<Path> libraries = Files.list(app().resolve("lib"))) {
            List<String> arguments =
                    new ArrayList<>(
                            List.of(
                                    "--multi-release",
                                    String.valueOf(Runtime.version().feature()),
                                    "--ignore-missing-deps",
                                    "--print-module-deps",
                                    "--class-path",
                                    app() + "/lib/*",
                                    jar().toString()));
            libraries.sorted().map(Path::toString).forEach(arguments::add);
            return tool("jdeps", arguments.toArray(String[]::new))
                    .lines()
                    .filter(line -> line.startsWith("java.base"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /// The words of the image that start the service, with these places for the image's.
    List<String> command() {
        return Dockerfile.entrypoint().stream()
                .map(word ->
                        word.replace("/opt/jre/", runtime() + "/").replace("/app/", app() + "/"))
                .toList();
    }

    private Path runtime() {
        return folder.resolve("jre");
    }

    private Path app() {
        return folder.resolve("app");
    }

    private Path jar() {
        return app().resolve("dirtymap.jar");
    }

    private Path cache() {
        return app().resolve("dirtymap.aot");
    }

    private static String tool(String name, String... arguments) {
        StringWriter output = new StringWriter();
        PrintWriter printer = new PrintWriter(output);
        int code = ToolProvider.findFirst(name).orElseThrow().run(printer, printer, arguments);
        assertThat(code).as("%s: %s", name, output).isZero();
        return output.toString();
    }
}
