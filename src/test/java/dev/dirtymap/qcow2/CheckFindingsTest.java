package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.dirtymap.qcow2.CheckImages.Shape;
import dev.dirtymap.qcow2.Finding.Repair;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the check tells besides counts, also where `qemu-img check` tells nothing.
class CheckFindingsTest {

    private static final int CLUSTER = 4096;

    @TempDir private static Path folder;

    private static ImageBytes sound = new ImageBytes(Path.of("."));

    private final ImageBytes bytes = new CheckImages(folder).copy(sound);

    @BeforeAll
    static void make() {
        sound = new CheckImages(folder).make(Shape.plain(CLUSTER, 16));
    }

    /// The end of the last cluster, which need not be in the file as a whole.
    private long end() {
        return (bytes.length() + CLUSTER - 1) & -CLUSTER;
    }

    private Check.Report check() throws IOException {
        return Check.run(MemoryImageFile.copyOf(bytes.file()));
    }

    private boolean qemuCounts() {
        return new QemuImg(folder).check("damaged.qcow2").counted();
    }

    @Test
    void nothingIsWrong() throws IOException {
        Check.Report report = check();

        assertThat(report.consistent()).isTrue();
        assertThat(report.complete()).isTrue();
        assertThat(report.checkedClusters()).isEqualTo(end() / CLUSTER);
    }

    @Test
    void notAnImage() throws IOException {
        bytes.u32(0, 0);

        assertUnreadable("header: magic at file offset 0 must be 0x514649fb");
    }

    @Test
    void anUnreadableHeaderIsOneFinding() throws IOException {
        bytes.u32(20, 99);

        assertUnreadable("header: cluster_bits at file offset 20 is 99; it must be 9 to 21");
    }

    private void assertUnreadable(String message) throws IOException {
        Check.Report report = check();
        assertThat(report.errors())
                .singleElement()
                .satisfies(finding -> {
                    assertThat(finding.message()).isEqualTo(message);
                    assertThat(finding.fatal()).isTrue();
                    assertThat(finding.repair()).isEqualTo(Repair.NONE);
                });
        assertThat(report.complete()).isFalse();
        assertThat(report.consistent()).isFalse();
        assertThat(qemuCounts()).isFalse();
    }

    @Test
    void neighbouringLeaksAreOneFinding() throws IOException {
        long end = end();
        long block = bytes.u64(bytes.u64(48));
        bytes.truncate(end + 3L * CLUSTER);
        bytes.u32(block + end / CLUSTER * 2, 0x10001).u16(block + end / CLUSTER * 2 + 4, 7);

        Check.Report report = check();

        assertThat(report.leakedClusters()).isEqualTo(3);
        assertThat(report.complete()).isTrue();
        assertThat(report.errors())
                .containsExactly(
                        new Finding(
                                "refcount block",
                                end,
                                "refcount of 2 clusters from file offset %d on is 1; it must be 0, the number of references to each"
                                        .formatted(end),
                                false,
                                Repair.LEAKS),
                        new Finding(
                                "refcount block",
                                end + 2L * CLUSTER,
                                "refcount of 1 clusters from file offset %d on is 7; it must be 0, the number of references to each"
                                        .formatted(end + 2L * CLUSTER),
                                false,
                                Repair.LEAKS));
    }

    @Test
    void theAutoclearBitWithoutAnExtension() throws IOException {
        var qemuImg = new QemuImg(folder);
        qemuImg.bitmapRemove("damaged.qcow2", "a");
        qemuImg.bitmapRemove("damaged.qcow2", "b");
        bytes.u64(ImageBytes.AUTOCLEAR_FEATURES, 1);

        Check.Report report = check();

        assertThat(qemuImg.check("damaged.qcow2").exitCode()).isZero();
        assertThat(report.errors())
                .containsExactly(
                        new Finding(
                                "header",
                                88,
                                "header: autoclear_features at file offset 88 is 0x1; it must be without bit 0 (bitmaps) when there is no bitmaps extension",
                                false,
                                Repair.BITMAPS));
        assertThat(report.corruptions()).isZero();
        assertThat(report.complete()).isTrue();
    }

    @Test
    void aBrokenDirectoryEntry() throws IOException {
        long entry = bytes.directoryEntry(0);
        bytes.u8(entry + 16, 2);

        Check.Report report = check();

        assertThat(qemuCounts()).isFalse();
        assertThat(report.errors())
                .containsExactly(
                        new Finding(
                                "bitmap directory entry",
                                entry + 16,
                                "bitmap 'a': bitmap directory entry: type at file offset %d is 2; it must be 1 (dirty tracking)"
                                        .formatted(entry + 16),
                                true,
                                Repair.BITMAPS));
        // Its clusters could be followed all the same.
        assertThat(report.complete()).isTrue();
        assertThat(report.leakedClusters()).isZero();
    }

    @Test
    void aBrokenDirectoryHidesReferences() throws IOException {
        bytes.u64(bytes.bitmapsPayload() + 16, 512);

        Check.Report report = check();

        assertThat(qemuCounts()).isFalse();
        assertThat(report.complete()).isFalse();
        assertThat(report.leakedClusters()).isPositive();
        assertThat(report.errors().getLast())
                .isEqualTo(
                        new Finding(
                                "bitmaps extension",
                                bytes.bitmapsPayload() + 16,
                                "bitmaps extension: bitmap_directory_offset at file offset %d is 512; it must be a multiple of the cluster size, not 0 and less than 2^63"
                                        .formatted(bytes.bitmapsPayload() + 16),
                                true,
                                Repair.BITMAPS));
    }

    @Test
    void brokenTableEntriesOfABitmap() throws IOException {
        long table = bytes.bitmapTable(0);
        bytes.u64(table, bytes.u64(table) | 1);

        Check.Report report = check();

        assertThat(qemuCounts()).isFalse();
        assertThat(report.complete()).isFalse();
        assertThat(report.errors())
                .anySatisfy(finding -> {
                    assertThat(finding.structure()).isEqualTo("bitmap table");
                    assertThat(finding.offset()).isEqualTo(table);
                    assertThat(finding.fatal()).isTrue();
                    assertThat(finding.repair()).isEqualTo(Repair.BITMAPS);
                });
    }

    @Test
    void brokenTableEntriesOfABitmapInUseDoNotKeepQemuFromOpening() throws IOException {
        long table = bytes.bitmapTable(0);
        bytes.u64(table, bytes.u64(table) | 1).u32(bytes.directoryEntry(0) + 12, 1);

        Check.Report report = check();

        assertThat(qemuCounts()).isFalse();
        assertThat(report.corruptions()).isEqualTo(1);
        assertThat(report.errors())
                .anySatisfy(finding -> {
                    assertThat(finding.structure()).isEqualTo("bitmap table");
                    assertThat(finding.fatal()).isFalse();
                });
    }

    @Test
    void bitsBeyondTheEndOfABitmap() throws IOException {
        // 1 MiB in granules of 4 KiB: 256 bits, 32 bytes.
        long data = bytes.u64(bytes.bitmapTable(1));
        bytes.u8(data + 40, 0x81);

        Check.Report report = check();

        assertThat(report.errors())
                .containsExactly(
                        new Finding(
                                "bitmap data",
                                data + 40,
                                "bitmap 'b': bitmap data: bits after the last one (255) must be 0; those of the byte at file offset %d are 0x81"
                                        .formatted(data + 40),
                                false,
                                Repair.NONE));
        assertThat(report.corruptions()).isZero();
        assertThat(report.consistent()).isFalse();
    }

    @Test
    void findingsAreLimitedAndCountsAreNot() throws IOException {
        long l2 = bytes.u64(bytes.u64(40)) & 0x00fffffffffffe00L;
        var table = new byte[CLUSTER];
        for (int i = 0; i < table.length; i += 8) {
            table[i + 7] = 6;
        }
        bytes.write(l2, table);
        // The same table three times more.
        long l1 = bytes.u64(40);
        for (int i = 1; i < 4; i++) {
            bytes.u64(l1 + 8L * i, bytes.u64(l1));
        }
        bytes.u32(36, 4);

        Check.Report report = check();

        assertThat(report.errors()).hasSize(Findings.MAX);
        assertThat(report.corruptions()).isGreaterThanOrEqualTo(4 * 512);
        assertThat(report.corruptions())
                .isEqualTo(new QemuImg(folder).check("damaged.qcow2").corruptions());
        assertThat(report.omittedErrors()).isGreaterThan(1000);
    }

    /// A hostile image: 4 million entries that name one table of 2 MiB would take hours.
    @Test
    void manyEntriesForOneTableComeToAnEnd() throws IOException {
        new QemuImg(folder).create("large", "8M", "cluster_size=2M");
        var large = new ImageBytes(folder.resolve("large"));
        QemuIo.run(large.file(), "write 0 512");
        var entry = new byte[8];
        long l1 = large.u64(40);
        for (int i = 0; i < entry.length; i++) {
            entry[i] = (byte) (large.u64(l1) >>> (56 - 8 * i));
        }
        var table = new byte[32 << 20];
        for (int i = 0; i < table.length; i++) {
            table[i] = entry[i % 8];
        }
        long end = 16 << 20;
        large.write(end, table).u64(40, end).u32(36, table.length / 8);

        Check.Report report =
                assertTimeoutPreemptively(
                        Duration.ofSeconds(20),
                        () -> {
                            try (FileChannel channel = FileChannel.open(large.file())) {
                                return Check.run(ImageFile.of(channel));
                            }
                        });

        assertThat(report.complete()).isFalse();
        assertThat(report.consistent()).isFalse();
        assertThat(report.errors().getFirst().message()).contains("not all were visited");
    }

    @Test
    void aFileOfTooManyClustersIsNotCounted() throws IOException {
        new QemuImg(folder).create("damaged.qcow2", "1M", "cluster_size=512");
        bytes.truncate(512L << 31);

        Check.Report report;
        try (FileChannel channel = FileChannel.open(bytes.file())) {
            report = Check.run(ImageFile.of(channel));
        }

        assertThat(qemuCounts()).isFalse();
        assertThat(report.checkErrors()).isEqualTo(1);
        assertThat(report.checkedClusters()).isZero();
        assertThat(report.complete()).isFalse();
        assertThat(report.errors())
                .extracting(Finding::message)
                .containsExactly(
                        "the file has 2147483648 clusters; it must have at most 2147483647 to be checked");
    }
}
