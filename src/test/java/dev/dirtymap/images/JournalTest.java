package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.qcow2.BitmapDirectory;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Transactions over several images that are cut short: finished by whoever comes next, or, where that would
/// take guessing, left for an operator, with all other images working.
class JournalTest {

    private static final List<String> IMAGES = List.of("a.qcow2", "b.qcow2", "c.qcow2");
    private static final List<String> OLD = List.of("old");
    private static final List<String> NEW = List.of("new");

    @TempDir private Path folder;

    private QemuImg qemu;
    private Images images;

    @BeforeEach
    void create() throws Exception {
        qemu = new QemuImg(folder);
        for (String image : IMAGES) {
            qemu.create(image, "64M");
            qemu.bitmapAdd(image, "old", 65536, true);
        }
        qemu.create("other.qcow2", "64M");
        images = new Images(new ImagesProperties(folder, Duration.ofMillis(300)));
    }

    @AfterEach
    void close() {
        images.destroy();
    }

    private Path journal() {
        return folder.resolve(Crashed.JOURNAL);
    }

    private List<String> read(String image) throws Exception {
        return images.read(Crashed.id(image), open -> open.look(view -> names(view)));
    }

    private List<String> list(String image) throws Exception {
        return images.readAsItIs(Crashed.id(image), open -> open.glance(view -> names(view)));
    }

    private static List<String> names(ImageView view) throws IOException {
        BitmapDirectory directory = view.image().bitmaps();
        List<String> names = new ArrayList<>();
        for (int i = 0; i < directory.count(); i++) {
            names.add(new String(directory.get(i).name(), UTF_8));
        }
        return names;
    }

    /// Any change, which must see what was decided before.
    private List<String> change(String image) throws Exception {
        Id id = Crashed.id(image);
        return images.change(
                List.of(id),
                List.of(),
                locked -> locked.draft(id).create("next".getBytes(UTF_8), null, true, null),
                locked -> names(locked.view(id)));
    }

    private void requireClean() {
        for (String image : IMAGES) {
            QemuImg.CheckResult check = qemu.check(image);
            assertThat(check.exitCode()).as(check.text()).isIn(0, 3);
        }
    }

    private static Stream<Arguments> moments() {
        return IntStream.rangeClosed(0, 3)
                .boxed()
                .flatMap(commits -> IMAGES.stream().map(image -> Arguments.of(commits, image)));
    }

    @ParameterizedTest(name = "{0} commits were made, {1} is read")
    @MethodSource("moments")
    void whoReadsOneFinishesAll(int commits, String first) throws Exception {
        Crashed.stop(folder, commits, IMAGES, () -> true);
        assertThat(read("other.qcow2")).isEmpty();
        assertThat(journal()).exists();
        for (String image : IMAGES) {
            assertThat(list(image)).isEqualTo(IMAGES.indexOf(image) < commits ? NEW : OLD);
        }
        assertThat(read(first)).isEqualTo(NEW);
        assertThat(journal()).doesNotExist();
        for (String image : IMAGES) {
            assertThat(list(image)).isEqualTo(NEW);
        }
        assertThat(images.unfinishedTransactions()).isEmpty();
        requireClean();
    }

    @ParameterizedTest(name = "{0} commits were made, {1} is changed")
    @MethodSource("moments")
    void whoChangesOneFinishesAllFirst(int commits, String first) throws Exception {
        Crashed.stop(folder, commits, IMAGES, () -> true);
        assertThat(change(first)).containsExactly("new", "next");
        assertThat(journal()).doesNotExist();
        for (String image : IMAGES) {
            if (!image.equals(first)) {
                assertThat(list(image)).isEqualTo(NEW);
            }
        }
        requireClean();
    }

    @Test
    void whoAsksForUnfinishedOnesFinishesThemToo() throws Exception {
        Crashed.stop(folder, 1, IMAGES, () -> true);
        assertThat(images.unfinishedTransactions()).isEmpty();
        assertThat(list("c.qcow2")).isEqualTo(NEW);
    }

    private void requireUnfinished(String reason) throws Exception {
        List<byte[]> before = new ArrayList<>();
        for (String image : IMAGES) {
            Path file = folder.resolve(image);
            before.add(Files.exists(file) ? Files.readAllBytes(file) : new byte[0]);
        }
        for (String image : IMAGES) {
            assertThatThrownBy(() -> read(image))
                    .isInstanceOf(TransactionUnfinishedException.class)
                    .hasMessageContaining(image)
                    .hasMessageContaining(Crashed.JOURNAL)
                    .hasMessageContaining(reason);
            assertThatThrownBy(() -> change(image))
                    .isInstanceOf(TransactionUnfinishedException.class);
            if (Files.exists(folder.resolve(image))) {
                assertThat(list(image)).isNotNull();
            }
        }
        assertThat(images.unfinishedTransactions())
                .singleElement()
                .asString()
                .contains(Crashed.JOURNAL, reason);
        assertThat(change("other.qcow2")).containsExactly("next");
        for (int i = 0; i < IMAGES.size(); i++) {
            Path file = folder.resolve(IMAGES.get(i));
            if (Files.exists(file)) {
                assertThat(Files.readAllBytes(file)).isEqualTo(before.get(i));
            }
        }
    }

    /// Another program changed an image that has not its new state yet, or not any more.
    @ParameterizedTest
    @CsvSource({
        "0, a.qcow2, bitmap",
        "1, b.qcow2, bitmap",
        "1, c.qcow2, write",
        "2, c.qcow2, touch",
        "1, a.qcow2, bitmap",
    })
    void whereAnotherProgramWroteNothingIsGuessed(int commits, String image, String what)
            throws Exception {
        Crashed.stop(folder, commits, IMAGES, () -> true);
        switch (what) {
            case "bitmap" -> qemu.bitmapAdd(image, "foreign", 65536, true);
            case "write" -> QemuIo.run(folder.resolve(image), "write 0 64k");
            default ->
                    Files.setLastModifiedTime(
                            folder.resolve(image), FileTime.fromMillis(1_000_000));
        }
        requireUnfinished("another program has changed image '%s'".formatted(image));
        // The way out: an operator decides, and takes the journal away.
        Files.delete(journal());
        for (String each : IMAGES) {
            assertThat(read(each)).containsAnyOf("old", "new");
        }
    }

    /// A program that only wrote guest data to an image that is done is no obstacle.
    @Test
    void whatBecameOfAFinishedImageDoesNotMatterAsLongAsItsSectorStands() throws Exception {
        Crashed.stop(folder, 1, IMAGES, () -> true);
        Files.setLastModifiedTime(folder.resolve("a.qcow2"), FileTime.fromMillis(1_000_000));
        assertThat(read("b.qcow2")).isEqualTo(NEW);
        assertThat(list("c.qcow2")).isEqualTo(NEW);
    }

    @Test
    void aMissingImageLeavesItUnfinished() throws Exception {
        Crashed.stop(folder, 1, IMAGES, () -> true);
        Files.move(folder.resolve("c.qcow2"), folder.resolve("away"));
        requireUnfinished("c.qcow2");
        Files.move(folder.resolve("away"), folder.resolve("c.qcow2"));
        // A rename is a change of the file, as far as its times tell.
        assertThatThrownBy(() -> read("a.qcow2"))
                .isInstanceOf(TransactionUnfinishedException.class);
    }

    /// A journal is there whole or not at all; a damaged one stops whom it names, and nobody else.
    @ParameterizedTest
    @ValueSource(
            strings = {"cut", "flipped", "another bit", "no end", "wrong sector", "wrong length"})
    void aDamagedJournalStopsTheImagesThatItNames(String damage) throws Exception {
        Crashed.stop(folder, 1, IMAGES, () -> true);
        String text = Files.readString(journal());
        Files.writeString(
                journal(),
                switch (damage) {
                    case "cut" -> text.substring(0, text.length() - 700);
                    case "flipped" -> text.replaceFirst("after .", "after x");
                    case "another bit" -> text.replaceFirst("after 0*[1-9]", "after 1");
                    case "no end" -> text.substring(0, text.length() - 13);
                    case "wrong sector" -> text.replaceFirst(" \\d+\nbefore", " 100\nbefore");
                    default -> text.replaceFirst("before ..", "before ");
                });
        requireUnfinished("journal");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 100, 1_000_000})
    void garbageInTheFolderOfJournalsStopsNobody(int length) throws Exception {
        Files.createDirectories(journal().getParent());
        byte[] garbage = new byte[length];
        new Random(length).nextBytes(garbage);
        Files.write(journal(), garbage);
        Files.createDirectory(journal().resolveSibling("folder.journal"));
        Files.createSymbolicLink(journal().resolveSibling("link.journal"), journal());
        for (String image : IMAGES) {
            assertThat(read(image)).isEqualTo(OLD);
            assertThat(change(image)).contains("next");
        }
        assertThat(images.unfinishedTransactions())
                .singleElement()
                .asString()
                .contains(Crashed.JOURNAL);
    }

    @Test
    void aJournalWithoutRoomIsNoChange() throws Exception {
        // A folder that cannot be made: there is a file of its name.
        Files.createDirectory(folder.resolve(".dirtymap"));
        Files.writeString(folder.resolve(".dirtymap/transactions"), "in the way");
        List<Id> ids = IMAGES.stream().map(Crashed::id).toList();
        assertThatThrownBy(() ->
                        images.change(
                                ids,
                                List.of(),
                                locked -> {
                                    for (Id id : ids) {
                                        Crashed.replace(locked, id);
                                    }
                                },
                                _ -> true))
                .isInstanceOf(IOException.class);
        Files.delete(folder.resolve(".dirtymap/transactions"));
        for (String image : IMAGES) {
            assertThat(read(image)).isEqualTo(OLD);
            // Not even leaked clusters.
            qemu.assertClean(image);
        }
    }

    @Test
    void manyWhoComeAtOnceFinishItOnce() throws Exception {
        for (int round = 0; round < 5; round++) {
            for (String image : IMAGES) {
                if (round > 0) {
                    qemu.bitmapRemove(image, "new");
                    qemu.bitmapAdd(image, "old", 65536, true);
                }
            }
            Crashed.stop(folder, 1, IMAGES, () -> true);
            Images patient = new Images(new ImagesProperties(folder, Duration.ofSeconds(30)));
            try (ExecutorService threads = Executors.newFixedThreadPool(12)) {
                List<Callable<List<String>>> readers = new ArrayList<>();
                for (int i = 0; i < 12; i++) {
                    Id id = Crashed.id(IMAGES.get(i % 3));
                    readers.add(() -> patient.read(id, open -> open.look(view -> names(view))));
                }
                for (Future<List<String>> names : threads.invokeAll(readers)) {
                    assertThat(names.get()).isEqualTo(NEW);
                }
            } finally {
                patient.destroy();
            }
            assertThat(journal()).doesNotExist();
            requireClean();
        }
    }

    @ParameterizedTest(name = "killed after {0} commits")
    @ValueSource(ints = {0, 1, 2, 3})
    void aLiveOwnerIsWaitedForAndADeadOneReplaced(int commits) throws Exception {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx64m",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Crashed.class.getName(),
                                folder.toString(),
                                Integer.toString(commits)));
        command.addAll(IMAGES);
        Process owner =
                new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (BufferedReader output = owner.inputReader()) {
            String line = output.readLine();
            while (line != null && !line.equals("stopped")) {
                line = output.readLine();
            }
            assertThat(line).isEqualTo("stopped");
            for (String image : IMAGES) {
                assertThatThrownBy(() -> read(image))
                        .isInstanceOfSatisfying(
                                ImageLockedException.class,
                                e -> assertThat(e.holder()).isEqualTo(Holder.SERVICE));
                assertThat(list(image)).isEqualTo(IMAGES.indexOf(image) < commits ? NEW : OLD);
            }
            // One that is at work is not unfinished.
            assertThat(images.unfinishedTransactions()).isEmpty();
            assertThat(journal()).exists();
        } finally {
            owner.destroyForcibly().waitFor();
        }
        for (String image : IMAGES) {
            try (LockProbe probe = LockProbe.open(folder, image)) {
                assertThat(probe.anyLock()).isFalse();
            }
        }
        assertThat(read("b.qcow2")).isEqualTo(NEW);
        for (String image : IMAGES) {
            assertThat(list(image)).isEqualTo(NEW);
            try (StorageDaemon daemon = StorageDaemon.start(folder)) {
                daemon.open("disk", image, false);
            }
        }
        requireClean();
    }
}
