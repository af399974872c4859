package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.ServiceProcess;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.Undisturbed;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// The service is killed under load, again and again. Whatever was answered is there, nothing is half done, and
/// nobody is kept out.
///
/// Each client has bitmaps of its own, whose names say how often they were changed: `t<client>.<n>` in every
/// image, all replaced by one transaction over all images, and `s<client>.<n>` in one image.
///
/// Every other kill comes at a random moment. The others wait for a journal, which stands for some milliseconds
/// only: there the transaction is decided and not yet made in all images.
@Undisturbed
class KillTest {

    private static final int KILLS = Integer.getInteger("dirtymap.kills", 4);
    private static final long SEED = Long.getLong("dirtymap.kill.seed", 20_261_123);

    private static final int CLIENTS = 32;
    private static final int IMAGES = 4;

    /// How many more kills there may be until one has left a journal behind.
    private static final int MORE_KILLS = 6;

    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir private Path folder;

    private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
    private final AtomicInteger acknowledged = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();
    private final AtomicInteger cut = new AtomicInteger();
    private final AtomicInteger doneAllTheSame = new AtomicInteger();

    /// How many transactions were cut short when so many of their commits were made.
    private final int[] cutAfterCommits = new int[IMAGES + 1];

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

        /// Changes bitmaps until the service is killed.
        ///
        /// @param singlesToTransaction how many changes of one image there are to one of all, on average
        void run(int port, int singlesToTransaction) {
            try {
                while (wrong.isEmpty()) {
                    if (random.nextInt(singlesToTransaction + 1) == 0) {
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
        Files.createDirectories(transactions());
        ServiceProcess service = start();
        int kills = 0;
        int journals = 0;
        long start = System.nanoTime();
        try {
            prepare(new Images(new ImagesProperties(folder, Duration.ofSeconds(30))));
            while (kills < KILLS || (journals == 0 && kills < KILLS + MORE_KILLS)) {
                boolean atJournal = kills >= KILLS || kills % 2 == 1;
                // Is there when the other one dies, and has to clear up.
                ServiceProcess replica = start();
                Client next = replica.client();
                killUnderLoad(service, changers, atJournal, new Random(SEED + kills));
                service.close();
                service = replica;
                kills++;
                requireNoLock(qemu);
                List<JournalEntry> decided = cutShort();
                journals += decided.isEmpty() ? 0 : 1;
                List<Map<String, Integer>> there = new ArrayList<>();
                for (int i = 0; i < IMAGES; i++) {
                    there.add(bitmaps(next, image(i)));
                }
                changers.forEach(changer -> changer.compare(there));
                for (JournalEntry entry : decided) {
                    assertThat(compare(entry)).as("the new state is in force").isPositive();
                }
                assertThat(journals()).isEmpty();
                requireNoLock(qemu);
                for (int i = 0; i < IMAGES; i++) {
                    ProgramResult open =
                            Programs.tryRun(folder, "qemu-io", "-c", "read 0 512", image(i));
                    assertThat(open.exitCode()).as(open.toString()).isZero();
                }
                assertThat(wrong).as("after kill %d, seed %d", kills, SEED).isEmpty();
                if (kills % 20 == 0) {
                    tell(kills, start);
                }
            }
        } finally {
            service.close();
            tell(kills, start);
        }
        assertThat(journals).as("kills that cut a transaction short").isPositive();
    }

    private void tell(int kills, long start) {
        System.out.printf(
                "%d kills under %d clients in %d s: %d changes answered, %d refused, %d cut of which %d were done;"
                        + " journals left after 0, 1, … commits: %s%n",
                kills,
                CLIENTS,
                (System.nanoTime() - start) / 1_000_000_000,
                acknowledged.get(),
                refused.get(),
                cut.get(),
                doneAllTheSame.get(),
                Arrays.toString(cutAfterCommits));
    }

    private void killUnderLoad(
            ServiceProcess service, List<Changer> changers, boolean atJournal, Random random)
            throws Exception {
        int port = service.client().port();
        List<Thread> threads = new ArrayList<>();
        for (Changer changer : changers) {
            threads.add(Thread.ofPlatform().start(() -> changer.run(port, atJournal ? 0 : 2)));
        }
        awaitAnswers(3 + random.nextInt(30));
        if (atJournal) {
            awaitJournal();
            // Some die between two of the commits.
            LockSupport.parkNanos(1_000_000L * random.nextInt(3) * random.nextInt(8));
        } else {
            Thread.sleep(random.nextInt(20));
        }
        service.kill();
        for (Thread thread : threads) {
            thread.join();
        }
    }

    private Path transactions() {
        return folder.resolve(".dirtymap").resolve("transactions");
    }

    private List<Path> journals() throws IOException {
        try (Stream<Path> files = Files.list(transactions())) {
            return files.filter(file -> file.toString().endsWith(".journal")).toList();
        }
    }

    private void awaitJournal() throws IOException {
        long end = System.nanoTime() + 10_000_000_000L;
        while (journals().isEmpty() && System.nanoTime() < end && wrong.isEmpty()) {
            LockSupport.parkNanos(200_000);
        }
    }

    /// What the journals say that were left, each of one transaction; none if no kill hit such a moment.
    private List<JournalEntry> cutShort() throws IOException {
        List<JournalEntry> all = new ArrayList<>();
        for (Path journal : journals()) {
            int commits = 0;
            List<JournalEntry> entries = JournalEntry.read(Files.readString(journal));
            for (JournalEntry entry : entries) {
                commits += compare(entry) > 0 ? 1 : 0;
            }
            assertThat(entries).hasSize(IMAGES);
            cutAfterCommits[commits]++;
            all.addAll(entries);
        }
        return all;
    }

    private int compare(JournalEntry entry) throws IOException {
        try (FileChannel channel = FileChannel.open(folder.resolve(entry.image().text()))) {
            return entry.sector().compare(ImageFile.of(channel));
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

    /// No lock is left, and QEMU finds whole images.
    private void requireNoLock(QemuImg qemu) throws IOException {
        for (int i = 0; i < IMAGES; i++) {
            try (LockProbe probe = LockProbe.open(folder, image(i))) {
                assertThat(probe.anyLock()).as("a lock that is left").isFalse();
                assertThat(probe.couldWrite()).isTrue();
            }
            QemuImg.CheckResult check = qemu.check(image(i));
            assertThat(check.exitCode()).as(check.text()).isIn(0, 3);
        }
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
