package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.qcow2.BitmapDirectory;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.StorageDaemon;
import dev.dirtymap.testimages.Undisturbed;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/// Writers among each other, with readers and with QEMU's programs (`qcow2.md` 5.3): who keeps whom out, and that
/// everybody gets their turn.
@Undisturbed
class WriterLockTest {

    private static final String DISK = "disk.qcow2";
    private static final Id ID = Crashed.id(DISK);

    @TempDir private Path folder;

    private QemuImg qemu;
    private Images patient;
    private Images hasty;

    @BeforeEach
    void create() throws IOException {
        qemu = new QemuImg(folder);
        qemu.create(DISK, "64M");
        qemu.bitmapAdd(DISK, "a", 65536, true);
        patient = new Images(new ImagesProperties(folder, Duration.ofSeconds(30)));
        hasty = new Images(new ImagesProperties(folder, Duration.ofMillis(100)));
    }

    @AfterEach
    void nothingIsLeftLocked() throws IOException {
        patient.destroy();
        hasty.destroy();
        try (LockProbe probe = LockProbe.open(folder, DISK)) {
            assertThat(probe.anyLock()).isFalse();
        }
    }

    private static byte[] name(String text) {
        return text.getBytes(UTF_8);
    }

    private static int toggle(Images images, Id id, String bitmap, boolean enabled)
            throws ImageException, IOException {
        return images.change(
                List.of(id),
                List.of(),
                locked -> locked.draft(id).enable(name(bitmap), enabled),
                locked -> locked.view(id).image().bitmaps().count());
    }

    private boolean runs(String... command) {
        return Programs.tryRun(folder, command).exitCode() == 0;
    }

    private boolean program(String program) {
        return switch (program) {
            case "info" -> runs("qemu-img", "info", DISK);
            case "info -U" -> runs("qemu-img", "info", "-U", DISK);
            case "map" -> runs("qemu-img", "map", DISK);
            case "check" -> runs("qemu-img", "check", DISK);
            case "bitmap" -> runs("qemu-img", "bitmap", "--disable", DISK, "a");
            default -> runs("qemu-io", "-c", "write 0 512", DISK);
        };
    }

    @ParameterizedTest(name = "we hold it as {0}: {1} works: {2}")
    @CsvSource({
        "writer, info, false",
        "writer, info -U, true",
        "writer, map, false",
        "writer, check, false",
        "writer, bitmap, false",
        "writer, qemu-io, false",
        "reader, info, true",
        "reader, info -U, true",
        "reader, map, true",
        "reader, check, true",
        "reader, bitmap, false",
        "reader, qemu-io, false"
    })
    void programsFindOurLocksAsQemusOwn(String as, String program, boolean works) throws Exception {
        boolean writer = as.equals("writer");
        patient.change(
                writer ? List.of(ID) : List.of(),
                writer ? List.of() : List.of(ID),
                locked -> {
                    assertThat(program(program)).isEqualTo(works);
                    if (writer) {
                        locked.draft(ID).create(name("b"), null, true, null);
                    }
                },
                locked -> {
                    // The answer is made under the lock too.
                    assertThat(program(program)).isEqualTo(works);
                    return true;
                });
        assertThat(program(program)).isTrue();
        qemu.assertClean(DISK);
    }

    @ParameterizedTest(name = "a {0} node keeps a writer out: {1}, a reader: {2}")
    @CsvSource({"read-write, true, true", "read-only, true, false", "force-share, false, false"})
    void weFindTheLocksOfPrograms(String node, boolean writerRefused, boolean readerRefused)
            throws Exception {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            ObjectNode arguments =
                    StorageDaemon.arguments()
                            .put("driver", "qcow2")
                            .put("node-name", "disk")
                            .put("read-only", !node.equals("read-write"))
                            .put("force-share", node.equals("force-share"));
            arguments.putObject("file").put("driver", "file").put("filename", DISK);
            daemon.execute("blockdev-add", arguments);
            requireRefused(writerRefused, () -> toggle(hasty, ID, "a", false));
            requireRefused(
                    readerRefused,
                    () -> hasty.change(List.of(), List.of(ID), _ -> {}, locked -> locked.view(ID)));
            if (node.equals("force-share")) {
                // As for any program that looks at what others change, what it has in memory is
                // void.
                daemon.kill();
            } else {
                daemon.closeNode("disk");
            }
            assertThat(toggle(hasty, ID, "a", true)).isEqualTo(1);
        }
    }

    private static void requireRefused(boolean refused, Callable<Object> call) throws Exception {
        if (!refused) {
            call.call();
            return;
        }
        assertThatThrownBy(call::call)
                .isInstanceOfSatisfying(
                        ImageLockedException.class,
                        e -> assertThat(e.holder()).isEqualTo(Holder.OTHER_PROGRAM));
    }

    @Test
    void aWriterWaitsForAProgramThatEndsInTime() throws Exception {
        try (StorageDaemon daemon = StorageDaemon.start(folder);
                ExecutorService thread = Executors.newSingleThreadExecutor()) {
            daemon.open("disk", DISK, false);
            Future<Integer> change = thread.submit(() -> toggle(patient, ID, "a", false));
            Thread.sleep(300);
            assertThat(change.isDone()).isFalse();
            daemon.closeNode("disk");
            assertThat(change.get()).isEqualTo(1);
        }
    }

    @Test
    void ourOwnWriterIsNamedAsTheHolder() throws Exception {
        patient.change(
                List.of(ID),
                List.of(),
                locked -> {
                    // From another thread: the lock is no matter of the thread that has it.
                    try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
                        Future<Integer> other = thread.submit(() -> toggle(hasty, ID, "a", false));
                        assertThatThrownBy(other::get)
                                .cause()
                                .isInstanceOfSatisfying(
                                        ImageLockedException.class,
                                        e -> assertThat(e.holder()).isEqualTo(Holder.SERVICE));
                    }
                },
                _ -> true);
    }

    /// Runs all tasks at once.
    ///
    /// @return how long each took, in milliseconds, ascending
    private static List<Long> millis(String what, List<Callable<Integer>> tasks) throws Exception {
        List<Long> millis = new ArrayList<>();
        List<Callable<Long>> timed = new ArrayList<>();
        for (Callable<Integer> task : tasks) {
            timed.add(() -> {
                long start = System.nanoTime();
                task.call();
                return (System.nanoTime() - start) / 1_000_000;
            });
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(tasks.size())) {
            for (Future<Long> time : threads.invokeAll(timed)) {
                millis.add(time.get());
            }
        }
        Collections.sort(millis);
        int last = millis.size() - 1;
        System.out.printf(
                "%s: min %d, median %d, 90 %% %d, max %d ms%n",
                what,
                millis.getFirst(),
                millis.get(last / 2),
                millis.get(last * 9 / 10),
                millis.get(last));
        return millis;
    }

    @Test
    void manyWritersOfOneImageAllGetTheirTurn() throws Exception {
        List<Callable<Integer>> tasks = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            String bitmap = "b" + i;
            tasks.add(() ->
                    patient.change(
                            List.of(ID),
                            List.of(),
                            locked -> locked.draft(ID).create(name(bitmap), null, true, null),
                            locked -> locked.view(ID).image().bitmaps().count()));
        }
        List<Long> millis = millis("64 writers, one image", tasks);
        assertThat(millis.getLast()).isLessThan(30_000);
        assertThat(names(patient, ID)).hasSize(65).doesNotHaveDuplicates();
        qemu.assertClean(DISK);
    }

    @Test
    void writersOfDifferentImagesDoNotWaitForEachOther() throws Exception {
        List<Callable<Integer>> tasks = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            String image = "disk%d.qcow2".formatted(i);
            qemu.create(image, "1M");
            tasks.add(() ->
                    hasty.change(
                            List.of(Crashed.id(image)),
                            List.of(),
                            locked ->
                                    locked.draft(Crashed.id(image))
                                            .create(name("b"), null, true, null),
                            _ -> 0));
        }
        millis("64 writers, 64 images", tasks);
    }

    private static List<String> names(Images images, Id id) throws ImageException, IOException {
        return images.read(
                id,
                open ->
                        open.look(view -> {
                            BitmapDirectory directory = view.image().bitmaps();
                            List<String> names = new ArrayList<>();
                            for (int i = 0; i < directory.count(); i++) {
                                names.add(new String(directory.get(i).name(), UTF_8));
                            }
                            return names;
                        }));
    }

    /// Neither side may starve, however many writers there are: one alone never waits in a queue.
    @ParameterizedTest(name = "{0} writers without a pause")
    @ValueSource(ints = {1, 8})
    void readersAndWritersAreBothServed(int writers) throws Exception {
        Images usual = new Images(new ImagesProperties(folder, Duration.ofSeconds(10)));
        for (int i = 0; i < writers; i++) {
            qemu.bitmapAdd(DISK, "w" + i, 65536, true);
        }
        AtomicBoolean done = new AtomicBoolean();
        int[] changes = new int[writers];
        List<Callable<Integer>> tasks = new ArrayList<>();
        for (int i = 0; i < writers; i++) {
            int number = i;
            tasks.add(() -> {
                while (!done.get()) {
                    toggle(usual, ID, "w" + number, changes[number]++ % 2 == 1);
                }
                return 0;
            });
        }
        AtomicInteger looks = new AtomicInteger();
        AtomicInteger locks = new AtomicInteger();
        List<Long> waits = Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < 2; i++) {
            tasks.add(() -> {
                while (!done.get()) {
                    names(usual, ID);
                    looks.incrementAndGet();
                }
                return 0;
            });
            tasks.add(() -> {
                long end = System.nanoTime() + 5_000_000_000L;
                while (System.nanoTime() < end) {
                    long start = System.nanoTime();
                    usual.change(List.of(), List.of(ID), _ -> {}, locked -> locked.view(ID));
                    waits.add((System.nanoTime() - start) / 1_000_000);
                    locks.incrementAndGet();
                    Thread.sleep(5);
                }
                done.set(true);
                return 0;
            });
        }
        millis("%d writers, 4 readers, 5 s".formatted(writers), tasks);
        usual.destroy();
        Collections.sort(waits);
        System.out.printf(
                "%d looks, %d locked reads (median %d, max %d ms), changes of each writer %s%n",
                looks.get(),
                locks.get(),
                waits.get(waits.size() / 2),
                waits.getLast(),
                Arrays.toString(changes));
        assertThat(looks.get()).isGreaterThan(5);
        assertThat(locks.get()).isGreaterThan(5);
        for (int count : changes) {
            assertThat(count).isGreaterThan(2);
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(ints = {1, 2})
    void transactionsInAnyOrderNeverWaitForEachOtherForEver(int seed) throws Exception {
        List<Id> ids = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            String image = "t%d.qcow2".formatted(i);
            qemu.create(image, "1M");
            qemu.bitmapAdd(image, "a", 65536, true);
            ids.add(Crashed.id(image));
        }
        List<Callable<Integer>> tasks = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            Random random = new Random(seed * 100L + i);
            tasks.add(() -> {
                for (int round = 0; round < 4; round++) {
                    List<Id> mine = new ArrayList<>(ids);
                    Collections.shuffle(mine, random);
                    List<Id> changed = mine.subList(0, 1 + random.nextInt(4));
                    boolean enabled = random.nextBoolean();
                    patient.change(
                            changed,
                            mine.subList(changed.size(), mine.size()),
                            locked -> {
                                for (Id id : changed) {
                                    locked.draft(id).enable(name("a"), enabled);
                                }
                            },
                            _ -> 0);
                }
                return 0;
            });
        }
        List<Long> millis = millis("16 threads, 4 rounds over 4 images, seed " + seed, tasks);
        assertThat(millis.getLast()).isLessThan(60_000);
        assertThat(patient.unfinishedTransactions()).isEmpty();
        for (int i = 0; i < 4; i++) {
            qemu.assertClean("t%d.qcow2".formatted(i));
        }
    }
}
