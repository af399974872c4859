package dev.dirtymap.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// From the start of the process to the first answer that says ready: the jar as it is, and unpacked with a cache of
/// the JDK (JEP 483, JEP 514), as a container would use it.
final class StartCases {

    private static final double PART = 0.5;

    private final Bench bench;

    StartCases(Bench bench) {
        this.bench = bench;
    }

    void start() throws IOException, InterruptedException {
        Path unpacked = bench.folder().resolveSibling("unpacked");
        Program.run(
                Path.of("."),
                Service.java().toString(),
                "-Djarmode=tools",
                "-jar",
                Service.jar().toString(),
                "extract",
                "--force",
                "--destination",
                unpacked.toString());
        Path jar = unpacked.resolve("dirtymap.jar");
        Path cache = unpacked.resolve("app.aot");
        train(jar, cache);
        List<String> cached = with("-XX:AOTCache=" + cache);
        // The first start after the pages of a file were written is not like any other.
        seconds(jar, cached);
        seconds(Service.jar(), Service.HEAP);
        Runs plain = new Runs();
        Runs quick = new Runs();
        bench.alternate(
                bench.longRuns(),
                () -> seconds(jar, cached),
                quick,
                () -> seconds(Service.jar(), Service.HEAP),
                plain);
        bench.add(
                Row.against(
                        "start to ready, unpacked with the AOT cache of the JDK (%s)"
                                .formatted(Memory.text(Files.size(cache))),
                        "at most half of the plain start",
                        quick,
                        "ourselves, plain jar",
                        plain,
                        quick.median() <= plain.median() * PART));
    }

    private void train(Path jar, Path cache) throws IOException, InterruptedException {
        Files.deleteIfExists(cache);
        try (Service service = Service.start(empty(), jar, with("-XX:AOTCacheOutput=" + cache))) {
            service.get("/v1/images");
        }
        if (!Files.exists(cache)) {
            throw new IllegalStateException("the training run left no cache");
        }
    }

    private double seconds(Path jar, List<String> arguments)
            throws IOException, InterruptedException {
        try (Service service = Service.start(empty(), jar, arguments)) {
            return service.secondsToReady();
        }
    }

    /// A root without images: none is read before the first request.
    private Path empty() throws IOException {
        return Files.createDirectories(bench.folder().resolveSibling("empty"));
    }

    private static List<String> with(String argument) {
        return Stream.concat(Service.HEAP.stream(), Stream.of(argument))
                .collect(java.util.stream.Collectors.toCollection(ArrayList::new));
    }
}
