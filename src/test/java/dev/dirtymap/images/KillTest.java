package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.ServiceProcess;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// The service is killed under load, again and again. Whatever was answered is there, nothing is half done, and
/// nobody is kept out.
///
/// Each client has bitmaps of its own, whose names say how often they were changed: `t<client>.<n>` in every
/// image, all replaced by one transaction over all images, and `s<client>.<n>` in one image.
class KillTest {

    private static final int KILLS = Integer.getInteger("dirtymap.kills", 2);
    private static final long SEED = Long.getLong("dirtymap.kill.seed", 20_261_123);

    private static final int CLIENTS = 32;
    private static final int IMAGES = 4;

    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir private Path folder;

    private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
    private final AtomicInteger acknowledged = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();
    private final AtomicInteger cut = new AtomicInteger();
    private final AtomicInteger doneAllTheSame = new AtomicInteger();

    private static String image(int index) {
        return "disk%d.qcow2".formatted(index);
    }

    /// One client's bitmaps, as far as it knows.
    private final class Changer {

        private final int number;
        private final Random random;
        private int transactions;
        private int singles;

        /// What was asked for last and has not been answered.
        private boolean transactionCut;

        private boolean singleCut;

        Changer(int number) {
            this.number = number;
            this.random = new Random(SEED * 100 + number);
        }

        private String home() {
            return image(number % IMAGES);
        }

        void run(int port, AtomicBoolean done) {
            try {
                while (!done.get()) {
                    if (random.nextInt(3) == 0) {
                        transactionCut = true;
                        if (ask(port, "POST", "/v1/transactions", transaction())) {
                            transactions++;
                        }
                        transactionCut = false;
                    } else {
                        singleCut = true;
                        if (single(port)) {
                            singles++;
                        }
                        singleCut = false;
                    }
                }
            } catch (IOException killed) {
                cut.incrementAndGet();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        private String transaction() {
            List<String> parts = new ArrayList<>();
            for (int i = 0; i < IMAGES; i++) {
                parts.add(
                        """
                        {"image":"%s","operations":[
                        {"op":"CREATE","bitmap":"t%d.%d","granularity":65536},
                        {"op":"DELETE","bitmap":"t%d.%d"}]}\
                        """
                                .formatted(
                                        image(i), number, transactions + 1, number, transactions));
            }
            return "{\"images\":[%s]}".formatted(String.join(",", parts));
        }

        private boolean single(int port) throws IOException, InterruptedException {
            String bitmaps = "/v1/images/%s/bitmaps/".formatted(home());
            String before = "s%d.%d".formatted(number, singles);
            String after = "s%d.%d".formatted(number, singles + 1);
            return random.nextBoolean()
                    ? ask(port, "PATCH", bitmaps + before, "{\"name\":\"%s\"}".formatted(after))
                    : ask(
                            port,
                            "POST",
                            "/v1/images/%s/transactions".formatted(home()),
                            """
                            {"operations":[{"op":"COPY","bitmap":"%s","name":"%s"},
                            {"op":"DELETE","bitmap":"%s"}]}\
                            """
                                    .formatted(before, after, before));
        }

        /// @return whether it was done
        private boolean ask(int port, String method, String path, String body)
                throws IOException, InterruptedException {
            HttpResponse<String> answer =
                    HTTP.send(
                            HttpRequest.newBuilder(
                                            URI.create(
                                                    "http://127.0.0.1:%d%s".formatted(port, path)))
                                    .timeout(Duration.ofSeconds(60))
                                    .header("Content-Type", "application/json")
                                    .method(method, BodyPublishers.ofString(body))
                                    .build(),
                            BodyHandlers.ofString());
            if (answer.statusCode() == 200) {
                acknowledged.incrementAndGet();
                return true;
            }
            if (answer.statusCode() == 423
                    || answer.statusCode() == 429
                    || answer.statusCode() == 503) {
                refused.incrementAndGet();
                return false;
            }
            wrong.add("%s %s: %d %s".formatted(method, path, answer.statusCode(), answer.body()));
            throw new IOException("wrong");
        }

        /// Compares with what is there, and goes on from it.
        ///
        /// @param there the numbers in the names of the bitmaps that begin so, of each image
        void compare(List<Map<String, Integer>> there) {
            String name = "t" + number;
            Integer now = there.getFirst().get(name);
            if (now == null || there.stream().anyMatch(image -> !now.equals(image.get(name)))) {
                wrong.add("half done: %s is %s".formatted(name, there));
                return;
            }
            transactions = next(name, transactions, transactionCut, now);
            transactionCut = false;
            singles =
                    next(
                            "s" + number,
                            singles,
                            singleCut,
                            there.get(number % IMAGES).getOrDefault("s" + number, -1));
            singleCut = false;
        }

        private int next(String name, int known, boolean wasCut, int now) {
            if (now != known && !(wasCut && now == known + 1)) {
                wrong.add(
                        "%s was answered to be %d, and is %d; unanswered request: %s"
                                .formatted(name, known, now, wasCut));
            }
            doneAllTheSame.addAndGet(now == known ? 0 : 1);
            return now;
        }
    }

    @Test
    void whateverWasAnsweredIsThere() throws Exception {
        QemuImg qemu = new QemuImg(folder);
        for (int i = 0; i < IMAGES; i++) {
            qemu.create(image(i), "64M");
        }
        List<Changer> changers = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            changers.add(new Changer(i));
        }
        Random random = new Random(SEED);
        int journals = 0;
        Files.createDirectories(folder.resolve(".dirtymap").resolve("transactions"));
        ServiceProcess service = start();
        try {
            prepare(new Images(new ImagesProperties(folder, Duration.ofSeconds(30))));
            for (int kill = 0; kill < KILLS; kill++) {
                int port = service.client().port();
                // Is there when the other one dies, and has to clear up.
                ServiceProcess replica = start();
                Client next = replica.client();
                AtomicBoolean done = new AtomicBoolean();
                List<Thread> threads = new ArrayList<>();
                for (Changer changer : changers) {
                    threads.add(Thread.ofPlatform().start(() -> changer.run(port, done)));
                }
                awaitAnswers(20 + random.nextInt(100));
                Thread.sleep(random.nextInt(20));
                service.kill();
                service.close();
                service = replica;
                for (Thread thread : threads) {
                    thread.join();
                }
                journals += judge(qemu) ? 1 : 0;
                List<Map<String, Integer>> there = new ArrayList<>();
                for (int i = 0; i < IMAGES; i++) {
                    there.add(bitmaps(next, image(i)));
                }
                changers.forEach(changer -> changer.compare(there));
                judge(qemu);
                try (Stream<Path> left =
                        Files.list(folder.resolve(".dirtymap").resolve("transactions"))) {
                    assertThat(left).filteredOn(f -> f.toString().endsWith(".journal")).isEmpty();
                }
                assertThat(wrong).as("after kill %d, seed %d", kill + 1, SEED).isEmpty();
            }
        } finally {
            service.close();
            System.out.printf(
                    "%d kills under %d clients: %d changes answered, %d refused, %d cut of which %d were done,"
                            + " %d transactions finished afterwards%n",
                    KILLS,
                    CLIENTS,
                    acknowledged.get(),
                    refused.get(),
                    cut.get(),
                    doneAllTheSame.get(),
                    journals);
        }
    }

    /// Waits until so many more changes were answered; on a slow machine, for some seconds only.
    private void awaitAnswers(int more) throws InterruptedException {
        int enough = acknowledged.get() + more;
        long end = System.nanoTime() + 10_000_000_000L;
        while (acknowledged.get() < enough && System.nanoTime() < end && wrong.isEmpty()) {
            Thread.sleep(1);
        }
    }

    private ServiceProcess start() {
        return ServiceProcess.start(
                folder, Map.of(), "dirtymap.root=" + folder, "dirtymap.lock-wait=20s");
    }

    /// The first bitmaps.
    private static void prepare(Images images) throws Exception {
        for (int i = 0; i < IMAGES; i++) {
            Id id = Crashed.id(image(i));
            int index = i;
            images.change(
                    List.of(id),
                    List.of(),
                    locked -> {
                        for (int client = 0; client < CLIENTS; client++) {
                            locked.draft(id)
                                    .create(
                                            "t%d.0".formatted(client).getBytes(UTF_8),
                                            65536L,
                                            true,
                                            null);
                            if (client % IMAGES == index) {
                                locked.draft(id)
                                        .create(
                                                "s%d.0".formatted(client).getBytes(UTF_8),
                                                null,
                                                true,
                                                null);
                            }
                        }
                    },
                    _ -> true);
        }
        images.destroy();
    }

    /// No lock is left, and QEMU finds whole images. It opens them for writing, unless a transaction waits to
    /// be finished, which it would spoil.
    ///
    /// @return whether one waits
    private boolean judge(QemuImg qemu) throws IOException {
        boolean waits;
        try (Stream<Path> files = Files.walk(folder.resolve(".dirtymap"))) {
            waits = files.anyMatch(file -> file.toString().endsWith(".journal"));
        }
        for (int i = 0; i < IMAGES; i++) {
            try (LockProbe probe = LockProbe.open(folder, image(i))) {
                assertThat(probe.anyLock()).as("a lock that is left").isFalse();
                assertThat(probe.couldWrite()).isTrue();
            }
            QemuImg.CheckResult check = qemu.check(image(i));
            assertThat(check.exitCode()).as(check.text()).isIn(0, 3);
            if (!waits) {
                ProgramResult open =
                        Programs.tryRun(folder, "qemu-io", "-c", "read 0 512", image(i));
                assertThat(open.exitCode()).as(open.toString()).isZero();
            }
        }
        return waits;
    }

    private static Map<String, Integer> bitmaps(Client client, String image) {
        Map<String, Integer> numbers = new HashMap<>();
        for (JsonNode bitmap :
                client.json("/v1/images/%s/bitmaps?limit=1000".formatted(image)).path("bitmaps")) {
            String name = bitmap.path("name").asString();
            int dot = name.indexOf('.');
            Integer twice =
                    numbers.put(name.substring(0, dot), Integer.parseInt(name.substring(dot + 1)));
            assertThat(twice).as("half done: %s", name).isNull();
        }
        return numbers;
    }
}
