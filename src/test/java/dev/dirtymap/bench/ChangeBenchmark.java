package dev.dirtymap.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.http.Server;
import dev.dirtymap.qcow2.Changes;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.testimages.DiskEvent;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.RecordedProgram;
import dev.dirtymap.testimages.RecordingImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.springframework.util.FileSystemUtils;

/// What a change of one bitmap costs on a disk of 1 TiB, beside `qemu-img bitmap`: time, bytes written, syncs.
///
/// Our time is that of an HTTP request to a running service with a heap of 64 MiB, client and locks included; that of
/// QEMU is the whole process, as a user waits for it. Both sync as they do in earnest. Bytes and syncs of ours are
/// counted below the format code, those of QEMU by `strace`; all in the same run, on copies of one image.
public final class ChangeBenchmark {

    private static final long GIB = 1L << 30;
    private static final int RUNS = Integer.getInteger("dirtymap.bench.runs", 5);
    private static final int DIRTY_RANGES = 8;
    private static final String SERVED = "served.qcow2";
    private static final String COUNTED = "counted.qcow2";
    private static final String QEMU = "qemu.qcow2";

    private final Path folder;
    private final String id;
    private final int port;
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final QemuImg qemu;
    private final Consumer<String> out;

    private ChangeBenchmark(Server server, Consumer<String> out) {
        this.folder = server.newFolder();
        this.id = folder.getFileName() + "~2F" + SERVED;
        this.port = server.port();
        this.qemu = new QemuImg(folder);
        this.out = out;
    }

    /// One operation on the bitmap `target`.
    private record Operation(
            String name,
            String method,
            String path,
            String body,
            Changes.Operations core,
            List<String> actions) {}

    private static final byte[] TARGET = "target".getBytes(UTF_8);
    private static final byte[] SOURCE = "source".getBytes(UTF_8);

    private static final List<Operation> OPERATIONS =
            List.of(
                    new Operation(
                            "create",
                            "POST",
                            "",
                            "{\"name\":\"target\"}",
                            draft -> draft.create(TARGET, null, true, null),
                            List.of("--add")),
                    new Operation(
                            "merge",
                            "POST",
                            "/target/merge",
                            "{\"sources\":[{\"bitmap\":\"source\"}]}",
                            draft -> draft.merge(TARGET, draft, SOURCE),
                            List.of("--merge", "source")),
                    new Operation(
                            "disable",
                            "PATCH",
                            "/target",
                            "{\"enabled\":false}",
                            draft -> draft.enable(TARGET, false),
                            List.of("--disable")),
                    new Operation(
                            "enable",
                            "PATCH",
                            "/target",
                            "{\"enabled\":true}",
                            draft -> draft.enable(TARGET, true),
                            List.of("--enable")),
                    new Operation(
                            "clear",
                            "POST",
                            "/target/clear",
                            "{}",
                            draft -> draft.clear(TARGET, null),
                            List.of("--clear")),
                    new Operation(
                            "delete",
                            "DELETE",
                            "/target",
                            "",
                            draft -> draft.delete(TARGET),
                            List.of("--remove")));

    /// Runs everything and prints a Markdown table.
    public static void main(String[] arguments) throws Exception {
        Path root = Files.createTempDirectory(Path.of("target"), "bench");
        try (Server server = Server.start(root.toAbsolutePath())) {
            ChangeBenchmark benchmark = new ChangeBenchmark(server, System.out::println);
            benchmark.out.accept(
                    "| disk | other bitmaps | operation | ours, ms | qemu-img, ms | ours, bytes | qemu-img, bytes"
                            + " | ours, syncs | qemu-img, syncs |");
            benchmark.out.accept("|---|--:|---|--:|--:|--:|--:|--:|--:|");
            for (int others : List.of(0, 10, 100)) {
                benchmark.measure(false, others);
            }
            benchmark.measure(true, 0);
        }
        FileSystemUtils.deleteRecursively(root);
    }

    private void measure(boolean allocated, int others) throws Exception {
        Path base = create(allocated, others);
        for (String copy : List.of(SERVED, COUNTED, QEMU)) {
            Files.deleteIfExists(folder.resolve(copy));
            new ProcessBuilder("cp", "--sparse=always", base.toString(), copy)
                    .directory(folder.toFile())
                    .inheritIO()
                    .start()
                    .waitFor();
        }
        double[][] ours = new double[OPERATIONS.size()][RUNS];
        double[][] theirs = new double[OPERATIONS.size()][RUNS];
        List<List<DiskEvent>> ourEvents = new ArrayList<>();
        List<List<DiskEvent>> theirEvents = new ArrayList<>();
        for (int run = 0; run < RUNS; run++) {
            for (int i = 0; i < OPERATIONS.size(); i++) {
                Operation operation = OPERATIONS.get(i);
                ours[i][run] = milliseconds(() -> serve(operation));
                if (run == 0) {
                    ourEvents.add(count(operation));
                    theirEvents.add(
                            RecordedProgram.qemuImgBitmap(
                                    folder.resolve(QEMU),
                                    "target",
                                    operation.actions.toArray(String[]::new)));
                    theirs[i][run] = Double.POSITIVE_INFINITY;
                } else {
                    theirs[i][run] = milliseconds(() -> runQemu(operation));
                }
            }
        }
        for (String copy : List.of(SERVED, COUNTED)) {
            qemu.assertClean(copy);
        }
        for (int i = 0; i < OPERATIONS.size(); i++) {
            out.accept(
                    "| %s | %d | %s | %.1f | %.1f | %,d | %,d | %d | %d |"
                            .formatted(
                                    allocated ? "all allocated" : "empty",
                                    others,
                                    OPERATIONS.get(i).name,
                                    median(ours[i]),
                                    median(Arrays.copyOfRange(theirs[i], 1, RUNS)),
                                    bytes(ourEvents.get(i)),
                                    bytes(theirEvents.get(i)),
                                    syncs(ourEvents.get(i)),
                                    syncs(theirEvents.get(i))));
        }
        Files.delete(base);
    }

    /// A disk of 1 TiB in clusters of 64 KiB, with a bitmap `source` and others, each dirty in a few places.
    private Path create(boolean allocated, int others) throws Exception {
        Path base = folder.resolve("base.qcow2");
        if (allocated) {
            qemu.create("base.qcow2", "1T", "preallocation=metadata");
        } else {
            qemu.create("base.qcow2", "1T");
        }
        Random random = new Random(others);
        Changes.change(
                base,
                draft -> {
                    for (int i = -1; i < others; i++) {
                        byte[] name = i < 0 ? SOURCE : ("other" + i).getBytes(UTF_8);
                        draft.create(name, null, i % 2 == 0, null);
                        List<Extent> ranges = new ArrayList<>();
                        for (int range = 0; range < DIRTY_RANGES; range++) {
                            ranges.add(new Extent(random.nextLong(1023 * GIB), 1 << 20, true));
                        }
                        draft.mark(name, ranges, true, null);
                    }
                });
        return base;
    }

    private void serve(Operation operation) {
        String type =
                operation.method.equals("PATCH")
                        ? "application/merge-patch+json"
                        : "application/json";
        HttpRequest request =
                HttpRequest.newBuilder(
                                URI.create(
                                        "http://127.0.0.1:%d/v1/images/%s/bitmaps%s"
                                                .formatted(port, id, operation.path)))
                        .header("Content-Type", type)
                        .method(operation.method, BodyPublishers.ofString(operation.body))
                        .build();
        try {
            HttpResponse<String> answer = http.send(request, BodyHandlers.ofString());
            if (answer.statusCode() >= 300) {
                throw new AssertionError(answer.body());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    private void runQemu(Operation operation) {
        List<String> words = new ArrayList<>(List.of("bitmap"));
        words.addAll(operation.actions);
        words.addAll(List.of("-f", "qcow2", QEMU, "target"));
        qemu.run(words.toArray(String[]::new));
    }

    private List<DiskEvent> count(Operation operation) throws Exception {
        try (FileChannel channel =
                FileChannel.open(
                        folder.resolve(COUNTED),
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            RecordingImageFile file = new RecordingImageFile(ImageFile.of(channel));
            Changes.change(file, operation.core);
            return file.events();
        }
    }

    private interface Step {
        void take() throws IOException;
    }

    private static double milliseconds(Step step) throws IOException {
        long start = System.nanoTime();
        step.take();
        return (System.nanoTime() - start) / 1e6;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static long bytes(List<DiskEvent> events) {
        return events.stream()
                .mapToLong(event ->
                        event instanceof DiskEvent.Write(long _, var bytes) ? bytes.remaining() : 0)
                .sum();
    }

    private static long syncs(List<DiskEvent> events) {
        return events.stream().filter(DiskEvent.Sync.class::isInstance).count();
    }
}
