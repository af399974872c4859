package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RefcountsTest {

    private static final int TABLE = 512;
    private static final int BLOCK = 1024;

    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8, 16, 32, 64})
    void countsTheClustersOfQemusBitmaps(int refcountBits) throws IOException {
        var qemuImg = new QemuImg(folder);
        Path path =
                qemuImg.create(
                        "image.qcow2", "8M", "cluster_size=512", "refcount_bits=" + refcountBits);
        qemuImg.bitmapAdd("image.qcow2", "a", 512, true);
        qemuImg.bitmapAdd("image.qcow2", "b", 4096, false);
        QemuIo.run(path, "write -P 1 1M 64k", "write -P 2 7M 1M");
        qemuImg.assertClean("image.qcow2");
        var bytes = new ImageBytes(path);

        try (FileChannel channel = FileChannel.open(path)) {
            ImageFile file = ImageFile.of(channel);
            Image image = Image.open(file, false).orElseThrow();
            var refcounts = new Refcounts(file, image.header());

            assertThat(image.header().refcountBits()).isEqualTo(refcountBits);
            assertThat(refcounts.of(0)).isEqualTo(1);
            assertThat(refcounts.of(bytes.directoryOffset() / 512)).isEqualTo(1);
            int dataClusters = 0;
            for (int i = 0; i < 2; i++) {
                long table = bytes.bitmapTable(i);
                assertThat(refcounts.of(table / 512)).isEqualTo(1);
                for (int entry = 0; entry < bytes.bitmapTableEntries(i); entry++) {
                    long data = bytes.u64(table + entry * 8L);
                    if (data > 1) {
                        assertThat(refcounts.of(data / 512)).isEqualTo(1);
                        dataClusters++;
                    }
                }
            }
            assertThat(dataClusters).isPositive();
            long end = bytes.length() / 512;
            assertThat(refcounts.of(end + 1)).isZero();
            assertThat(refcounts.of(end + 1_000_000)).isZero();
            assertThat(refcounts.of(Long.MAX_VALUE)).isZero();
            assertThat(refcounts.of(-1)).isZero();
        }
    }

    @Test
    void countsAClusterThatASnapshotSharesTwice() throws IOException {
        var qemuImg = new QemuImg(folder);
        Path path = qemuImg.create("image.qcow2", "1M");
        QemuIo.run(path, "write -P 1 0 64k");
        qemuImg.run("snapshot", "-c", "first", "image.qcow2");
        var bytes = new ImageBytes(path);
        long l2 = bytes.u64(bytes.u64(40)) & 0x00fffffffffffe00L;
        long data = bytes.u64(l2) & 0x00fffffffffffe00L;

        try (FileChannel channel = FileChannel.open(path)) {
            ImageFile file = ImageFile.of(channel);
            var refcounts = new Refcounts(file, Image.open(file, false).orElseThrow().header());
            assertThat(refcounts.of(l2 / 65536)).isEqualTo(2);
            assertThat(refcounts.of(data / 65536)).isEqualTo(2);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // order, the first 16 bytes of the block, the refcounts in them
        "0, b2 01 00 80, 0 1 0 0 1 1 0 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1",
        "1, e4 1b 00 c0, 0 1 2 3 3 2 1 0 0 0 0 0 0 0 0 3",
        "2, 4f a0 00 f1, 15 4 0 10 0 0 1 15",
        "3, fe 01 80 ff, 254 1 128 255",
        "4, 12 34 00 01 ff ff 80 00, 4660 1 65535 32768",
        "5, fe dc ba 98 00 00 00 02, 4275878552 2",
        "6, 80 00 00 00 00 00 00 01 00 00 00 00 00 00 00 07, -9223372036854775807 7",
    })
    void readsLiteralCountsOfEveryWidth(int order, String block, String counts) throws IOException {
        Refcounts refcounts = refcounts(file(BLOCK, block), order, 1);

        long[] expected = Arrays.stream(counts.split(" ", -1)).mapToLong(Long::parseLong).toArray();
        for (int i = 0; i < expected.length; i++) {
            assertThat(refcounts.of(i)).as("cluster %d", i).isEqualTo(expected[i]);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6})
    void findsTheLastEntryOfABlockAndTheFirstOfTheNext(int order) throws IOException {
        MemoryImageFile file = file(BLOCK, "00");
        long perBlock = 4096 >> order;
        byte[] bytes = Arrays.copyOf(file.bytes(), 2048);
        // The second table entry is the second block, whose first count is 1; the first block ends
        // with a 1.
        ByteBuffer.wrap(bytes).putLong(TABLE + 8, BLOCK + 512);
        int width = Math.max(1, (1 << order) / 8);
        bytes[BLOCK + 511] = (byte) (order < 3 ? 1 << (8 - (1 << order)) : 1);
        bytes[BLOCK + 512 + width - 1] = 1;
        Refcounts refcounts = refcounts(new MemoryImageFile(bytes), order, 1);

        assertThat(refcounts.of(perBlock - 2)).isZero();
        assertThat(refcounts.of(perBlock - 1)).isEqualTo(1);
        assertThat(refcounts.of(perBlock)).isEqualTo(1);
        assertThat(refcounts.of(perBlock + 1)).isZero();
        assertThat(refcounts.of(2 * perBlock)).isZero();
        // 64 table entries in one cluster; what lies beyond is not counted.
        assertThat(refcounts.of(64 * perBlock)).isZero();
    }

    @ParameterizedTest
    @ValueSource(
            longs = {0, 513, BLOCK + 256, 1L << 40, Long.MIN_VALUE, -512, Long.MAX_VALUE & -512})
    void aMissingBlockCountsNothing(long blockOffset) throws IOException {
        Refcounts refcounts = refcounts(file(blockOffset & -512L, "ff ff"), 4, 1);

        assertThat(refcounts.of(100)).isZero();
    }

    @Test
    void reservedBitsOfATableEntryAreNoPartOfTheOffset() throws IOException {
        assertThat(refcounts(file(BLOCK | 0x1ff, "00 05"), 4, 1).of(0)).isEqualTo(5);
    }

    @Test
    void aBlockThatTheFileEndsInReadsAsZeros() throws IOException {
        byte[] bytes = Arrays.copyOf(file(BLOCK, "00 05 00 06 07 08").bytes(), BLOCK + 5);
        Refcounts refcounts = refcounts(new MemoryImageFile(bytes), 4, 1);

        assertThat(refcounts.of(1)).isEqualTo(6);
        assertThat(refcounts.of(2)).isEqualTo(0x0700);
        assertThat(refcounts.of(3)).isZero();
        assertThat(refcounts.of(200)).isZero();
    }

    /// A table at 512 with one entry, and a block at 1024.
    private static MemoryImageFile file(long tableEntry, String block) {
        byte[] counts = MemoryImageFile.ofHex(block).bytes();
        ByteBuffer file = ByteBuffer.allocate(BLOCK + 512);
        file.putLong(TABLE, tableEntry).put(BLOCK, counts);
        return new MemoryImageFile(file.array());
    }

    private static Refcounts refcounts(ImageFile file, int order, int tableClusters) {
        return new Refcounts(
                file,
                new Header(
                        3,
                        0,
                        0,
                        9,
                        0,
                        0,
                        0,
                        0,
                        TABLE,
                        tableClusters,
                        0,
                        0,
                        0,
                        0,
                        0,
                        order,
                        104,
                        0));
    }
}
