package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Requests made by chance from the contract, sane and broken ones, against a service over real images: each answer is
/// one that the contract has, none is a failure of the server, and afterwards all images are sound.
///
/// For longer, or for one seed again:
///
/// ```text
/// mvn -B test -Dtest=OpenApiFuzzTest -Ddirtymap.fuzz.requests=200000 -Ddirtymap.fuzz.seed=7
/// ```
class OpenApiFuzzTest {

    private static final int REQUESTS = Integer.getInteger("dirtymap.fuzz.requests", 5000);

    private static final List<String> SOUND =
            List.of("plain", "snapshots", "extended", "old", "overlay", "vm1/disk0.qcow2");

    private static final List<String> BROKEN =
            List.of("orphaned", "inconsistent", "corrupt", "no-data-file", "unreadable", "loop");

    /// What the server may not be able to do.
    private static final Set<Integer> UNABLE = Set.of(501, 503, 505, 507);

    private static final int MOST_FAILURES = 20;

    @TempDir private Path root;

    static LongStream seeds() {
        return LongStream.of(Long.getLong("dirtymap.fuzz.seed", 1));
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void noAnswerIsOutsideTheContract(long seed) throws IOException {
        makeImages();
        Random random = new Random(seed);
        List<String> names = new ArrayList<>(SOUND);
        names.addAll(BROKEN);
        names.addAll(List.of("new1", "new2", "deep/new3"));
        ValueFuzzer values = new ValueFuzzer(Contract.committed(), random, names);
        RequestFuzzer requests = new RequestFuzzer(Contract.committed(), random, values);
        Map<Integer, Integer> statuses = new TreeMap<>();
        Set<String> succeeded = new TreeSet<>();
        List<String> failures = new ArrayList<>();
        try (ServiceProcess service =
                ServiceProcess.start(root, Map.of(), "dirtymap.root=" + root)) {
            int port = service.port();
            for (int i = 0; i < REQUESTS && failures.size() < MOST_FAILURES; i++) {
                RequestFuzzer.Request request = requests.next();
                try {
                    RawAnswer answer = RawAnswer.to(port, request.text());
                    require(request, answer);
                    values.learn(answer);
                    statuses.merge(answer.status(), 1, Integer::sum);
                    if (answer.status() < 300) {
                        succeeded.add(request.operation());
                    }
                } catch (AssertionError | IOException | RuntimeException failure) {
                    failures.add(
                            "request %d:%n%s%n%s".formatted(i, shortened(request.text()), failure));
                }
            }
            if (service.log().contains(" ERROR ")) {
                failures.add(service.log());
            }
        }
        assertThat(failures).as("seed %d", seed).isEmpty();
        System.out.printf("seed %d: %d requests, answers %s%n", seed, REQUESTS, statuses);
        assertThat(succeeded).isEqualTo(new TreeSet<>(Contract.committed().operations().keySet()));
        requireSound();
    }

    private static void require(RequestFuzzer.Request request, RawAnswer answer) {
        assertThat(answer.status() < 500 || UNABLE.contains(answer.status()))
                .as(shortened(answer.text()))
                .isTrue();
        new Exchange(
                        request.method(),
                        request.path(),
                        answer.status(),
                        name -> answer.headers().get(name),
                        answer.body().length(),
                        () -> new String(answer.body().getBytes(ISO_8859_1), UTF_8))
                .requireContract();
        assertThat(answer.headers().get("X-Request-Id")).isNotBlank();
    }

    private static String shortened(String text) {
        return text.length() > 1500
                ? text.substring(0, 1000) + " … " + text.substring(text.length() - 500)
                : text;
    }

    private void makeImages() throws IOException {
        QemuImg qemuImg = new QemuImg(root);
        qemuImg.create("plain", "1M");
        qemuImg.create("snapshots", "1M", "cluster_size=4k");
        qemuImg.create("extended", "4M", "cluster_size=16k", "extended_l2=on");
        qemuImg.create("old", "1M", "compat=0.10");
        qemuImg.create("overlay", "1M", List.of("-b", "plain", "-F", "qcow2"));
        qemuImg.create("no-data-file", "1M", "data_file=gone");
        Files.createDirectory(root.resolve("vm1"));
        for (String name : List.of("plain", "snapshots", "extended", "overlay", "no-data-file")) {
            qemuImg.bitmapAdd(name, "a", 512, true);
            qemuImg.bitmapAdd(name, "b", 65536, true);
            qemuImg.bitmapAdd(name, "c", 4096, false);
            QemuIo.run(root.resolve(name), "write 0 64k", "write 300k 100k");
        }
        qemuImg.run("snapshot", "-c", "first", "snapshots");
        for (String copy :
                List.of("vm1/disk0.qcow2", "orphaned", "inconsistent", "corrupt", "unreadable")) {
            Files.copy(root.resolve("plain"), root.resolve(copy));
        }
        new ImageBytes(root.resolve("orphaned")).clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        ImageBytes inconsistent = new ImageBytes(root.resolve("inconsistent"));
        inconsistent.u32(inconsistent.directoryEntry(0) + 12, 3);
        ImageBytes corrupt = new ImageBytes(root.resolve("corrupt"));
        corrupt.u64(corrupt.directoryEntry(1), 512);
        new ImageBytes(root.resolve("unreadable")).u32(4, 9);
        Programs.run(
                root,
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-u",
                "-b",
                "vm1/../loop",
                "-F",
                "qcow2",
                "loop",
                "1M");
        Files.delete(root.resolve("gone"));
    }

    /// All that was sound, and all that was made since.
    private void requireSound() throws IOException {
        List<String> checked = new ArrayList<>();
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = root.relativize(file).toString();
                if (!BROKEN.contains(name) && !name.startsWith(".dirtymap")) {
                    new QemuImg(file.resolveSibling("")).assertClean(file.getFileName().toString());
                    checked.add(name);
                }
            }
        }
        assertThat(checked).containsAll(SOUND);
    }
}
