package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.Undisturbed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// Three processes serve one folder, and clients ask any of them: whatever was answered as done is there once, and
/// whatever was refused is not there.
@Undisturbed
class ReplicasTest {

    private static final int REPLICAS = 3;
    private static final int IMAGES = 4;
    private static final int ROUNDS = 5;
    private static final int GRANULE = 65536;
    private static final long SEED = Long.getLong("dirtymap.replicas.seed", 20_261_123);
    private static final long NANOS =
            Integer.getInteger("dirtymap.replicas.seconds", 6) * 1_000_000_000L;

    /// How many answers there must be, however slow the machine is.
    private static final int ENOUGH = 300;

    @TempDir private static Path folder;

    private static final List<ServiceProcess> SERVICES = new ArrayList<>();
    private static final List<Client> CLIENTS = new ArrayList<>();

    private final QemuImg qemu = new QemuImg(folder);
    private final Client first = CLIENTS.getFirst();
    private final Queue<Throwable> wrong = new ConcurrentLinkedQueue<>();
    private final Map<Integer, AtomicInteger> answers = new ConcurrentHashMap<>();

    @BeforeAll
    static void start() {
        for (int i = 0; i < REPLICAS; i++) {
            SERVICES.add(
                    ServiceProcess.start(
                            folder, Map.of(), "dirtymap.root=" + folder, "dirtymap.lock-wait=20s"));
        }
        SERVICES.forEach(service -> CLIENTS.add(service.client()));
    }

    @AfterAll
    static void stop() {
        SERVICES.forEach(ServiceProcess::close);
    }

    @BeforeEach
    void create() {
        for (int i = 0; i < IMAGES; i++) {
            folder.resolve(file(i)).toFile().delete();
            qemu.create(file(i), "4G");
        }
    }

    private static String file(int image) {
        return "disk%d.qcow2".formatted(image);
    }

    private static String bitmaps(int image) {
        return "/v1/images/%s/bitmaps".formatted(file(image));
    }

    private void add(int image, String name) {
        first.send("POST", bitmaps(image), named(name)).json(201);
    }

    private static String named(String name) {
        return "{\"name\":\"%s\",\"granularity\":%d}".formatted(name, GRANULE);
    }

    private static String marked(int granule) {
        return "{\"ranges\":[{\"offset\":%d,\"length\":1}],\"dirty\":true}"
                .formatted((long) granule * GRANULE);
    }

    private static String noted(int count) {
        return "{\"referencePoint\":{\"note\":\"%d\"}}".formatted(count);
    }

    /// What one client does over and over, each time at another replica.
    private interface Work {
        void once(Client replica, Random random);
    }

    /// Whether it was done. Who waited too long for a lock, or found the service full, may come again.
    ///
    /// @param refusals which problems it may be told besides
    private boolean isDone(Answer answer, String... refusals) {
        answers.computeIfAbsent(answer.status(), _ -> new AtomicInteger()).incrementAndGet();
        if (answer.status() >= 300) {
            List<String> allowed = new ArrayList<>(List.of("image-locked", "overloaded"));
            allowed.addAll(Arrays.asList(refusals));
            assertThat(answer.slug()).as(answer.path()).isIn(allowed);
            return false;
        }
        return true;
    }

    private int answered() {
        return answers.values().stream().mapToInt(AtomicInteger::get).sum();
    }

    private void run(List<Work> clients) throws InterruptedException {
        long end = System.nanoTime() + NANOS;
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < clients.size(); i++) {
            Work client = clients.get(i);
            Random random = new Random(SEED * 100 + i);
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    while (wrong.isEmpty()
                                            && (System.nanoTime() < end || answered() < ENOUGH)) {
                                        client.once(CLIENTS.get(random.nextInt(REPLICAS)), random);
                                    }
                                } catch (RuntimeException | AssertionError e) {
                                    wrong.add(e);
                                }
                            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        System.out.printf("%d clients, %d replicas: %s%n", clients.size(), REPLICAS, answers);
        assertThat(wrong).as("seed %d", SEED).isEmpty();
    }

    /// Has a granule of its own in each of its requests, in a bitmap that others mark too.
    private final class Marker implements Work {

        private final int number;
        private final Set<Integer> done;
        private int next;

        Marker(int number, Set<Integer> done) {
            this.number = number;
            this.done = done;
        }

        @Override
        public void once(Client replica, Random random) {
            int granule = next++ * 3 + number;
            if (isDone(replica.send("POST", bitmaps(0) + "/shared/mark", marked(granule)))) {
                done.add(granule);
            }
        }
    }

    /// Adds one to a number that others add to, as it read it.
    private void count(Client replica, Set<Integer> won) {
        String bitmap = bitmaps(1) + "/counter";
        Answer read = replica.get(bitmap);
        if (!isDone(read, "content-changed")) {
            return;
        }
        int seen = Integer.parseInt(read.json().path("referencePoint").path("note").asString());
        Answer written = replica.send("PATCH", bitmap, noted(seen + 1), "If-Match", read.etag());
        if (isDone(written, "precondition-failed")) {
            assertThat(won.add(seen + 1)).as("%d was given twice", seen + 1).isTrue();
        }
    }

    /// Makes and deletes bitmaps of its own in all images.
    private final class Owner implements Work {

        private final String name;
        private final List<Set<String>> there;
        private int made;

        Owner(String name, List<Set<String>> there) {
            this.name = name;
            this.there = there;
        }

        @Override
        public void once(Client replica, Random random) {
            int image = random.nextInt(IMAGES);
            List<String> own =
                    there.get(image).stream().filter(one -> one.startsWith(name)).toList();
            if (own.size() < 3) {
                String bitmap = name + made++;
                if (isDone(replica.send("POST", bitmaps(image), named(bitmap)))) {
                    there.get(image).add(bitmap);
                }
            } else if (isDone(replica.send("DELETE", bitmaps(image) + "/" + own.getFirst(), ""))) {
                there.get(image).remove(own.getFirst());
            }
        }
    }

    /// Replaces a bitmap in all images at once.
    private final class Mover implements Work {

        private final String name;
        private int moved;

        Mover(String name) {
            this.name = name;
        }

        @Override
        public void once(Client replica, Random random) {
            String operations =
                    "\"operations\":[{\"op\":\"RENAME\",\"bitmap\":\"%s\",\"name\":\"%s\"}]"
                            .formatted(name + moved, name + (moved + 1));
            String images =
                    String.join(
                            ",",
                            IntStream.range(0, IMAGES)
                                    .mapToObj(i ->
                                            "{\"image\":\"%s\",%s}".formatted(file(i), operations))
                                    .toList());
            if (isDone(
                    replica.send(
                            "POST", "/v1/transactions", "{\"images\":[%s]}".formatted(images)))) {
                moved++;
            }
        }
    }

    /// Marks a bitmap of its own, merges it into one of another image, and clears it now and then.
    private final class Merger implements Work {

        private final String name;
        private final Set<Integer> source = new TreeSet<>();
        private final Set<Integer> target = new TreeSet<>();

        Merger(String name) {
            this.name = name;
        }

        @Override
        public void once(Client replica, Random random) {
            int granule = random.nextInt(1000);
            String from = bitmaps(2) + "/" + name;
            if (isDone(replica.send("POST", from + "/mark", marked(granule)))) {
                source.add(granule);
            }
            if (isDone(
                    replica.send(
                            "POST",
                            bitmaps(3) + "/" + name + "/merge",
                            "{\"sources\":[{\"bitmap\":\"%s\",\"image\":\"%s\"}]}"
                                    .formatted(name, file(2))))) {
                target.addAll(source);
            }
            if (random.nextInt(4) == 0 && isDone(replica.send("POST", from + "/clear", ""))) {
                source.clear();
            }
        }
    }

    /// Reads what the others change. What is counted bit by bit may meet a change.
    private void read(Client replica, Random random) {
        int image = random.nextInt(IMAGES);
        isDone(replica.get("/v1/images?hasInconsistent=false"));
        isDone(replica.get(bitmaps(image)));
        isDone(replica.get(bitmaps(0) + "/shared/extents"), "content-changed");
    }

    @Test
    void whatAnyOfThemAnsweredIsThereOnce() throws Exception {
        add(0, "shared");
        add(1, "counter");
        first.send("PATCH", bitmaps(1) + "/counter", noted(0)).json();
        Set<Integer> marks = new ConcurrentSkipListSet<>();
        Set<Integer> won = new ConcurrentSkipListSet<>();
        List<Set<String>> owned =
                IntStream.range(0, IMAGES)
                        .<Set<String>>mapToObj(_ -> new ConcurrentSkipListSet<>())
                        .toList();
        List<Mover> movers = new ArrayList<>();
        List<Merger> mergers = new ArrayList<>();
        List<Work> clients = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            clients.add(new Marker(i, marks));
            clients.add((replica, _) -> count(replica, won));
            clients.add(new Owner("own%d-".formatted(i), owned));
        }
        for (int i = 0; i < 2; i++) {
            Mover mover = new Mover("all%d-".formatted(i));
            Merger merger = new Merger("merged" + i);
            for (int image = 0; image < IMAGES; image++) {
                add(image, mover.name + 0);
            }
            add(2, merger.name);
            add(3, merger.name);
            movers.add(mover);
            mergers.add(merger);
        }
        clients.addAll(movers);
        clients.addAll(mergers);
        clients.add(this::read);
        run(clients);

        for (Client replica : CLIENTS) {
            assertThat(granules(replica, 0, "shared")).isEqualTo(marks);
            JsonNode counter = replica.json(bitmaps(1) + "/counter");
            assertThat(counter.path("referencePoint").path("note").asString())
                    .isEqualTo("" + won.size());
            for (Merger merger : mergers) {
                assertThat(granules(replica, 2, merger.name)).isEqualTo(merger.source);
                assertThat(granules(replica, 3, merger.name)).isEqualTo(merger.target);
            }
            for (int image = 0; image < IMAGES; image++) {
                Set<String> expected = new TreeSet<>(owned.get(image));
                movers.forEach(mover -> expected.add(mover.name + mover.moved));
                assertThat(names(replica, image)).containsAll(expected);
                assertThat(names(replica, image))
                        .allMatch(name ->
                                expected.contains(name)
                                        || Set.of("shared", "counter", "merged0", "merged1")
                                                .contains(name));
            }
        }
        assertThat(marks).isNotEmpty();
        assertThat(won).isNotEmpty();
        assertThat(movers).allMatch(mover -> mover.moved > 0);
        assertThat(mergers).allMatch(merger -> !merger.target.isEmpty());
        requireSound();
    }

    private static Set<Integer> granules(Client client, int image, String bitmap) {
        Set<Integer> granules = new TreeSet<>();
        for (JsonNode extent :
                client.json(bitmaps(image) + "/" + bitmap + "/extents?limit=100000")
                        .path("extents")) {
            long begin = extent.path("offset").asLong() / GRANULE;
            long count = extent.path("length").asLong() / GRANULE;
            for (long i = begin; i < begin + count; i++) {
                granules.add(Math.toIntExact(i));
            }
        }
        return granules;
    }

    private static List<String> names(Client client, int image) {
        return client.json(bitmaps(image) + "?limit=1000")
                .path("bitmaps")
                .valueStream()
                .map(bitmap -> bitmap.path("name").asString())
                .toList();
    }

    private void requireSound() {
        for (int i = 0; i < IMAGES; i++) {
            JsonNode check =
                    first.send("POST", "/v1/images/%s/check".formatted(file(i)), "").json();
            assertThat(check.path("consistent").asBoolean()).as("%s", check).isTrue();
            assertThat(check.path("leakedClusters").asLong()).as("%s", check).isZero();
            qemu.assertClean(file(i));
        }
    }

    /// All ask for the same at the same time, at different replicas.
    private List<Answer> compete(Callable<Answer> one, Callable<Answer> two, Callable<Answer> three)
            throws Exception {
        List<Callable<Answer>> competitors = List.of(one, two, three, one, two, three);
        CyclicBarrier together = new CyclicBarrier(competitors.size());
        List<Answer> all = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(competitors.size())) {
            List<Future<Answer>> running = new ArrayList<>();
            for (Callable<Answer> competitor : competitors) {
                running.add(
                        threads.submit(() -> {
                            together.await();
                            return competitor.call();
                        }));
            }
            for (Future<Answer> answer : running) {
                all.add(answer.get());
            }
        }
        return all;
    }

    private List<Answer> compete(String method, String path, String body, String... headers)
            throws Exception {
        return compete(
                () -> CLIENTS.get(0).send(method, path, body, headers),
                () -> CLIENTS.get(1).send(method, path, body, headers),
                () -> CLIENTS.get(2).send(method, path, body, headers));
    }

    private static void requireOneWins(List<Answer> answers, int status, String slug) {
        List<Answer> lost = answers.stream().filter(answer -> answer.status() >= 300).toList();
        assertThat(lost).as("all but one lose").hasSize(answers.size() - 1);
        lost.forEach(answer -> answer.problem(status, slug));
    }

    @Test
    void ofThoseWhoWantTheSameExactlyOneWins() throws Exception {
        add(0, "counter");
        String transactions = "/v1/images/%s/transactions".formatted(file(1));
        for (int i = 0; i < ROUNDS; i++) {
            requireOneWins(compete("POST", bitmaps(0), named("new" + i)), 409, "bitmap-exists");
            requireOneWins(
                    compete(
                            "PATCH",
                            bitmaps(0) + "/counter",
                            noted(i),
                            "If-Match",
                            first.get(bitmaps(0) + "/counter").etag()),
                    412,
                    "precondition-failed");
            requireOneWins(
                    compete(
                            "POST",
                            transactions,
                            "{\"operations\":[{\"op\":\"CREATE\",\"bitmap\":\"t%d\"}]}"
                                    .formatted(i),
                            "If-Match",
                            first.get("/v1/images/" + file(1)).etag()),
                    412,
                    "precondition-failed");
            requireOneWins(compete("DELETE", bitmaps(0) + "/new" + i, ""), 404, "bitmap-not-found");
            requireOneWins(
                    compete(
                            "POST",
                            "/v1/images",
                            "{\"name\":\"made%d\",\"virtualSize\":1048576}".formatted(i)),
                    409,
                    "image-exists");
        }
        assertThat(names(first, 1)).hasSize(ROUNDS);
        requireSound();
    }
}
