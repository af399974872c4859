package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Undisturbed;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Ten times as many requests at once as fit into a heap of 64 MiB: each is answered or told to come again, and nothing
/// of it is left afterwards.
@Undisturbed
class OverloadTest {

    /// An eighth of the heap, in pieces of 256 KiB.
    private static final int CAPACITY = 32;

    private static final int CLIENTS = 10 * CAPACITY;
    private static final int REQUESTS_A_CLIENT = 3;

    /// What a runtime takes for itself as it goes, in KiB.
    private static final long SPARE_KIB = 32 << 10;

    @TempDir private Path folder;

    @Test
    void nothingFailsAndNothingIsLeft() throws Exception {
        new QemuImg(folder).create("disk", "64G");
        new QemuImg(folder).bitmapAdd("disk", "a", 4096, true);
        QemuIo.run(folder.resolve("disk"), "discard 0 1G", "discard 32G 64k");
        try (ServiceProcess service =
                ServiceProcess.start(folder, Map.of(), "dirtymap.root=" + folder)) {
            Map<Integer, Integer> first;
            try {
                first = wave(service.port(), OverloadTest::usual);
            } catch (ExecutionException failure) {
                throw new AssertionError(service.log(), failure);
            }
            long kib = residentKib(service);
            long files = openFilesWhenSettled(service);
            Map<Integer, Integer> second = wave(service.port(), OverloadTest::usual);
            System.out.printf(
                    "%s, then %s; %d KiB, then %d; %d files, then %d%n",
                    first, second, kib, residentKib(service), files, openFilesWhenSettled(service));
            assertThat(first.keySet()).isSubsetOf(200, 503).contains(200, 503);
            assertThat(second.keySet()).isSubsetOf(200, 503).contains(200);
            assertThat(residentKib(service)).isLessThan(kib + SPARE_KIB);
            assertThat(openFilesWhenSettled(service)).isLessThanOrEqualTo(files + CAPACITY);
            service.client().json("/v1/images/disk/bitmaps/a");
            assertThat(service.log()).doesNotContain("OutOfMemoryError", " ERROR ");
        }
        new QemuImg(folder).assertClean("disk");
    }

    /// How often each status was answered.
    private static Map<Integer, Integer> wave(int port, IntFunction<String> lines)
            throws Exception {
        Map<Integer, Integer> statuses = new TreeMap<>();
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<List<Integer>>> answers = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                int number = i;
                answers.add(clients.submit(() -> requests(port, number, lines)));
            }
            for (Future<List<Integer>> answer : answers) {
                answer.get().forEach(status -> statuses.merge(status, 1, Integer::sum));
            }
        }
        return statuses;
    }

    /// Each request on a connection of its own, as from many clients.
    private static List<Integer> requests(int port, int number, IntFunction<String> lines)
            throws IOException {
        List<Integer> statuses = new ArrayList<>();
        for (int i = 0; i < REQUESTS_A_CLIENT; i++) {
            RawAnswer answer =
                    RawAnswer.to(
                            port,
                            lines.apply(number + i)
                                    + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            statuses.add(answer.status());
            if (answer.status() == 503) {
                assertThat(answer.problem(null).path("type").asString())
                        .isEqualTo("/problems/overloaded");
                assertThat(answer.headers()).containsKey("Retry-After");
            }
        }
        return statuses;
    }

    private static String usual(int kind) {
        String bitmap = "/v1/images/disk/bitmaps/a";
        return switch (kind % 6) {
            case 0 -> "GET " + bitmap;
            case 1 -> "GET " + bitmap + "/extents?state=ALL&limit=100000";
            case 2 -> "GET " + bitmap + "/splits?count=1024";
            case 3 -> "GET " + bitmap + "/heatmap?buckets=4096";
            case 4 -> "POST /v1/images/disk/check";
            default -> "GET /v1/images/disk/extents?limit=1000";
        };
    }

    /// Nobody makes objects of the parts of a path that has thousands of them, nor of media types, whose parts would be
    /// kept.
    @Test
    void partsTakeNothing() throws Exception {
        try (ServiceProcess service =
                ServiceProcess.start(folder, Map.of(), "dirtymap.root=" + folder)) {
            assertThat(wave(service.port(), OverloadTest::parts))
                    .containsOnly(Map.entry(400, CLIENTS * REQUESTS_A_CLIENT));
            service.client().json("/v1/images");
            assertThat(service.log()).doesNotContain("OutOfMemoryError", " ERROR ");
        }
    }

    private static String parts(int number) {
        String images = "GET /v1/images";
        return switch (number % 5) {
            case 0 -> images + "/a".repeat(30_000);
            case 1 -> images + ";a=1".repeat(15_000);
            case 2 -> images + "/;".repeat(30_000);
            case 3 -> images + ";a=" + "1,".repeat(29_000);
            default -> {
                StringBuilder accept = new StringBuilder("application/json;n=" + number);
                for (int i = 0; i < 7000; i++) {
                    accept.append(";a").append(i).append("=1");
                }
                yield images + " HTTP/1.1\r\nAccept: " + accept + "\r\nX-Rest:";
            }
        };
    }

    /// Requests of which the last line never comes: each holds a buffer until it is cut off.
    @Test
    void halfARequestIsNotEnough() throws Exception {
        List<Socket> halves = new ArrayList<>();
        try (ServiceProcess service =
                ServiceProcess.start(
                        folder,
                        Map.of(),
                        "dirtymap.root=" + folder,
                        "server.tomcat.connection-timeout=3s")) {
            int port = service.port();
            for (int i = 0; i < CLIENTS; i++) {
                Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
                halves.add(socket);
                socket.getOutputStream()
                        .write("GET /v1/images HTTP/1.1\r\nHost: ".getBytes(US_ASCII));
            }
            service.client().json("/v1/images");
            assertThat(service.log()).doesNotContain("OutOfMemoryError", " ERROR ");
        } finally {
            for (Socket socket : halves) {
                socket.close();
            }
        }
    }

    private static long residentKib(ServiceProcess service) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + service.pid() + "/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
    }

    /// The connections of the last answers are closed a little later.
    private static long openFilesWhenSettled(ServiceProcess service)
            throws IOException, InterruptedException {
        long before = Long.MAX_VALUE;
        long now = openFiles(service);
        while (now < before) {
            before = now;
            Thread.sleep(500);
            now = openFiles(service);
        }
        return now;
    }

    private static long openFiles(ServiceProcess service) throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc/" + service.pid() + "/fd"))) {
            return files.count();
        }
    }
}
