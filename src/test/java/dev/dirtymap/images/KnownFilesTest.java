package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.posix.FileStat;
import dev.dirtymap.qcow2.BitmapsState;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is known of files without reading them: only what every later change would show. Lists by all filters, with
/// files changed at random, are in `FleetTest`.
class KnownFilesTest {

    private static final Outline VALID = new Outline.Legible(BitmapsState.VALID, false);
    private static final Outline IN_USE = new Outline.Legible(BitmapsState.VALID, true);

    /// In milliseconds since the epoch.
    private static final long CHANGED = 1_800_000_000_000L;

    private static final long LATER =
            CHANGED + TimeUnit.NANOSECONDS.toMillis(FileVersion.SKEW_NANOS);

    @TempDir private Path folder;

    private Images images;

    @BeforeEach
    void open() throws IOException {
        images = new Images(new ImagesProperties(folder, Duration.ofSeconds(2)));
    }

    @AfterEach
    void close() {
        images.destroy();
    }

    private static FileStat stat(long device, long inode, long size, long born) {
        long changed = TimeUnit.MILLISECONDS.toNanos(CHANGED);
        return new FileStat(device, inode, size, 4096, changed, changed, born);
    }

    @Test
    void aFileIsKnownAsLongAsEverythingIsTheSame() {
        KnownFiles known = new KnownFiles(64);
        FileStat file = stat(1, 2, 3, 4);
        known.put(file, LATER, VALID);
        assertThat(known.get(file)).isEqualTo(VALID);
        assertThat(known.get(stat(9, 2, 3, 4))).isNull();
        assertThat(known.get(stat(1, 9, 3, 4))).isNull();
        assertThat(known.get(stat(1, 2, 9, 4))).isNull();
        assertThat(known.get(stat(1, 2, 3, 9))).isNull();
        long changed = file.changedNanos();
        assertThat(known.get(new FileStat(1, 2, 3, 4096, changed, changed + 1, 4))).isNull();
        assertThat(known.get(new FileStat(1, 2, 3, 4096, changed + 1, changed, 4))).isNull();
        // Blocks come and go without a change of the content.
        assertThat(known.get(new FileStat(1, 2, 3, 0, changed, changed, 4))).isEqualTo(VALID);
    }

    @Test
    void whatMayChangeAgainWithinTheSameTickOfTheClockIsNotKept() {
        KnownFiles known = new KnownFiles(64);
        FileStat file = stat(1, 2, 3, 4);
        for (long early : new long[] {LATER - 1, CHANGED, CHANGED - 1, 0}) {
            known.put(file, early, VALID);
            assertThat(known.get(file)).isNull();
        }
    }

    @Test
    void aNewVersionOfAFileTakesThePlaceOfTheOldOne() {
        KnownFiles known = new KnownFiles(8);
        for (int i = 0; i < 8; i++) {
            known.put(stat(1, i, 0, 0), LATER, VALID);
        }
        for (int size = 1; size < 100; size++) {
            known.put(stat(1, 3, size, 0), LATER, IN_USE);
            assertThat(known.get(stat(1, 3, size, 0))).isEqualTo(IN_USE);
        }
        for (int i = 0; i < 8; i++) {
            assertThat(known.get(stat(1, i, i == 3 ? 99 : 0, 0))).as("file %d", i).isNotNull();
        }
    }

    @Test
    void withMoreFilesThanPlacesSomeAreKnownAndAllRight() {
        KnownFiles known = new KnownFiles(1000);
        int kept = 0;
        for (int round = 0; round < 3; round++) {
            kept = 0;
            for (int i = 0; i < 3000; i++) {
                FileStat file = stat(1, i, 0, 0);
                Outline expected = i % 2 == 0 ? VALID : IN_USE;
                Outline outline = known.get(file);
                if (outline == null) {
                    known.put(file, LATER, expected);
                } else {
                    assertThat(outline).isEqualTo(expected);
                    kept++;
                }
            }
        }
        assertThat(kept).isBetween(100, 1000);
    }

    /// With the least heap there is room for more than the 10,000 images of a fleet.
    @Test
    void allOfAFleetAreKnown() {
        KnownFiles known = new KnownFiles(32768);
        for (int i = 0; i < 10_000; i++) {
            known.put(stat(64769, 1_000_000 + i, 0, 0), LATER, VALID);
        }
        int kept = 0;
        for (int i = 0; i < 10_000; i++) {
            kept += known.get(stat(64769, 1_000_000 + i, 0, 0)) == null ? 0 : 1;
        }
        assertThat(kept).isGreaterThan(9_900);
    }

    /// Reads all files as a list does.
    private void list() throws Exception {
        for (String name : walk().keySet()) {
            try {
                images.readAsItIs(
                        Crashed.id(name),
                        open -> open.glance(view -> view.image().bitmaps().summary()));
            } catch (ImageNotFoundException | ImageUnreadableException told) {
                // Worth to be known too.
            }
        }
    }

    /// What is known of each file.
    private Map<String, @Nullable Outline> walk() throws IOException {
        Map<String, @Nullable Outline> outlines = new TreeMap<>();
        images.walk(
                new byte[0],
                null,
                (file, outline) -> {
                    outlines.put(file.text(), outline);
                    return true;
                });
        return outlines;
    }

    @Test
    void aListMakesFilesKnownAndChangesBehindOurBackForgetThem() throws Exception {
        QemuImg qemu = new QemuImg(folder);
        for (String name :
                new String[] {"broken", "cut", "held", "marked", "moved", "same", "touched"}) {
            qemu.create(name, "64M");
            qemu.bitmapAdd(name, "a", 65536, true);
        }
        Files.write(folder.resolve("raw"), new byte[100_000]);
        new ImageBytes(folder.resolve("broken")).u32(20, 99);
        ImageBytes marked = new ImageBytes(folder.resolve("marked"));
        list();
        assertThat(walk().values()).as("what has just been changed").containsOnlyNulls();

        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "held", false);
            Thread.sleep(TimeUnit.NANOSECONDS.toMillis(FileVersion.SKEW_NANOS) + 50);
            list();
            assertThat(walk())
                    .containsEntry("broken", new Outline.Broken())
                    .containsEntry("cut", VALID)
                    .containsEntry("held", null)
                    .containsEntry("marked", VALID)
                    .containsEntry("moved", VALID)
                    .containsEntry("raw", new Outline.NoImage())
                    .containsEntry("same", VALID)
                    .containsEntry("touched", VALID);

            FileTime time = Files.getLastModifiedTime(marked.file());
            marked.u32(marked.directoryEntry(0) + 12, 3);
            Files.setLastModifiedTime(marked.file(), time);
            ImageBytes cut = new ImageBytes(folder.resolve("cut"));
            cut.truncate(cut.length() - 1);
            Files.move(folder.resolve("moved"), folder.resolve("elsewhere"));
            Files.setLastModifiedTime(folder.resolve("touched"), time);
            assertThat(walk())
                    .containsEntry("cut", null)
                    .containsEntry("elsewhere", null)
                    .containsEntry("marked", null)
                    .containsEntry("same", VALID)
                    .containsEntry("touched", null);
        }
    }
}
