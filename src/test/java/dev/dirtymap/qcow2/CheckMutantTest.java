package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.dirtymap.qcow2.CheckImages.Shape;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuImg.CheckResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Changes bytes of tables at random and checks. Whatever comes of it, it comes in time and is a report; where
/// `qemu-img check` counts, the counts are the same.
class CheckMutantTest {

    private static final int SEEDS = 20;
    private static final int MUTANTS_A_SEED = 40;

    /// Every so many mutants QEMU is asked too.
    private static final int QEMU_EVERY = 3;

    /// Against hangs: a seed takes a second or so.
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static final long OFFSET = 0x00fffffffffffe00L;

    @TempDir private static Path folder;

    private static final List<Original> ORIGINALS = new ArrayList<>();

    /// Bytes of one table.
    private record Area(long start, long length) {}

    private record Original(Shape shape, byte[] bytes, List<Area> areas) {}

    static IntStream seeds() {
        return IntStream.rangeClosed(1, SEEDS);
    }

    @BeforeAll
    static void makeOriginals() throws IOException {
        var images = new CheckImages(folder);
        for (Shape shape :
                CheckImages.shapes().filter(one -> one.clusterSize() <= 65536).toList()) {
            ImageBytes bytes = images.make(shape);
            ORIGINALS.add(
                    new Original(shape, Files.readAllBytes(bytes.file()), areas(shape, bytes)));
        }
    }

    private static List<Area> areas(Shape shape, ImageBytes bytes) {
        List<Area> areas = new ArrayList<>();
        areas.add(new Area(24, 88));
        areas.add(new Area(bytes.u64(48), 16));
        areas.add(new Area(bytes.u64(bytes.u64(48)), 64));
        long l1 = bytes.u64(40);
        areas.add(new Area(l1, 16));
        long l2 = bytes.u64(l1) & OFFSET;
        // Twice what is largest.
        areas.addAll(List.of(new Area(l2, 128), new Area(l2, 128)));
        if (bytes.u32(60) > 0) {
            areas.add(new Area(bytes.u64(64), 72));
        }
        if (shape.kind() != Shape.Kind.LUKS) {
            areas.add(new Area(bytes.directoryOffset(), bytes.directorySize()));
            for (int i = 0; i < 2; i++) {
                areas.add(new Area(bytes.bitmapTable(i), 8 * bytes.bitmapTableEntries(i)));
            }
        }
        return areas;
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void countsWhatQemuCounts(int seed) {
        var random = new Random(seed);
        assertTimeoutPreemptively(
                PATIENCE,
                () -> {
                    for (int i = 0; i < MUTANTS_A_SEED; i++) {
                        Original original = ORIGINALS.get(random.nextInt(ORIGINALS.size()));
                        byte[] mutant = original.bytes().clone();
                        List<Long> changed = new ArrayList<>();
                        for (int n = random.nextInt(1, 5); n > 0; n--) {
                            Area area =
                                    original.areas().get(random.nextInt(original.areas().size()));
                            int at = (int) (area.start() + random.nextLong(area.length()));
                            mutant[at] = mutated(mutant[at], random);
                            changed.add((long) at);
                        }
                        if (random.nextInt(20) == 0) {
                            mutant = Arrays.copyOf(mutant, random.nextInt(4, mutant.length));
                        }
                        String about =
                                "mutant %d of %s, changed at %s, %d bytes"
                                        .formatted(i, original.shape(), changed, mutant.length);
                        check(mutant, about, i % QEMU_EVERY == 0);
                    }
                });
    }

    private static byte mutated(byte value, Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> (byte) (value ^ 1 << random.nextInt(8));
            case 1 -> (byte) (value + (random.nextBoolean() ? 1 : -1));
            case 2 -> (byte) (random.nextBoolean() ? 0 : 0xff);
            default -> (byte) random.nextInt(256);
        };
    }

    private static void check(byte[] mutant, String about, boolean askQemu) throws IOException {
        Check.Report report = Check.run(new MemoryImageFile(mutant));
        if (!askQemu) {
            return;
        }
        Files.write(folder.resolve("mutant"), mutant);
        CheckResult qemu = new QemuImg(folder).check("mutant");
        if (!qemu.counted()) {
            assertThat(report.consistent()).as("%s: %s", about, qemu.text()).isFalse();
        } else if (!isUnreadableToUsAlone(report)) {
            assertThat(List.of(report.corruptions(), report.leakedClusters(), report.checkErrors()))
                    .as("%s: %s%n%s", about, report.errors(), qemu.text())
                    .isEqualTo(List.of(qemu.corruptions(), qemu.leaks(), qemu.checkErrors()));
        }
    }

    /// QEMU checks images without a refcount table, and takes a header that the file cuts off for zeros.
    private static boolean isUnreadableToUsAlone(Check.Report report) {
        return report.checkedClusters() == 0
                && report.errors().size() == 1
                && (report.errors().getFirst().message().contains("refcount_table_clusters")
                        || !report.errors().getFirst().fatal());
    }
}
