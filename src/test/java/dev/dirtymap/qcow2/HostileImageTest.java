package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.dirtymap.testimages.ImageBytes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Images that are as large as the format allows, or say so. They are read within the heap of this suite, which is
/// smaller than some of them, and in bounded time.
class HostileImageTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int CLUSTER = 65536;
    private static final long SIZE = 1L << 41;
    private static final int ENTRIES = 65535;

    @TempDir private Path folder;

    private ImageBytes image = new ImageBytes(Path.of("."));

    /// Where structures can be put behind the metadata of an image of 2 TiB without bitmaps.
    private long end;

    @BeforeEach
    void createImage() throws IOException {
        Path path = folder.resolve("hostile.qcow2");
        try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            new NewImage(SIZE, CLUSTER).writeTo(channel);
        }
        image = new ImageBytes(path);
        end = image.length();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aBitmapOf512MiBIsScanned(boolean sparseTable) throws IOException {
        int entries = 8192;
        long table = end + CLUSTER;
        long data = table + CLUSTER;
        var raw = ByteBuffer.allocate(entries * 8);
        for (int i = 0; i < entries; i++) {
            raw.putLong(sparseTable && i < entries - 1 ? 0 : data + (long) i * CLUSTER);
        }
        image.write(table, raw.array());
        long lastByte = data + (long) entries * CLUSTER - 1;
        image.u8(lastByte, 0xc1);
        directory(1, entry(table, entries, 9, "a"));

        assertThat(extents(0))
                .containsExactly(
                        new Extent(SIZE - 8 * 512, 512, true),
                        new Extent(SIZE - 2 * 512, 1024, true));
        assertThat(totals(0)).isEqualTo(new Totals(1536, 2));
    }

    @Test
    void aBitmapOfAllOnesCostsNothingButItsTable() throws IOException {
        long table = end + CLUSTER;
        var raw = ByteBuffer.allocate(8192 * 8);
        while (raw.hasRemaining()) {
            raw.putLong(1);
        }
        image.write(table, raw.array());
        directory(1, entry(table, 8192, 9, "a"));

        assertThat(extents(0)).containsExactly(new Extent(0, SIZE, true));
        assertThat(totals(0)).isEqualTo(new Totals(SIZE, 1));
    }

    @Test
    void asManyBitmapsAsThereMayBe() throws IOException {
        // All share one table, which says that everything is clean.
        long table = end;
        var entries = ByteBuffer.allocate(ENTRIES * 32);
        for (int i = 0; i < ENTRIES; i++) {
            entries.put(coarse(table, "%08d".formatted(i)));
        }
        image.truncate(end + CLUSTER);
        end += CLUSTER;
        directory(ENTRIES, entries.array());

        assertThat(summary())
                .isEqualTo(new BitmapDirectory.Summary(BitmapsState.VALID, null, true, false));
        assertThat(find("00065534".getBytes(US_ASCII))).isEqualTo(65534);
        assertThat(find("00065535".getBytes(US_ASCII))).isEqualTo(-1);
        assertThat(extents(65534)).isEmpty();
    }

    @Test
    void aDirectoryOf64MiBHasNamesThatAreNotHeld() throws IOException {
        long table = end;
        image.truncate(end + CLUSTER);
        end += CLUSTER;
        byte[] name = "n".repeat(1000).getBytes(US_ASCII);
        try (FileChannel channel = FileChannel.open(image.file(), StandardOpenOption.WRITE)) {
            for (int i = 0; i < ENTRIES; i++) {
                byte[] number = "%08d".formatted(i).getBytes(US_ASCII);
                System.arraycopy(number, 0, name, 992, number.length);
                channel.write(
                        ByteBuffer.wrap(coarse(table, new String(name, US_ASCII))),
                        end + i * 1024L);
            }
        }
        extension(ENTRIES, ENTRIES * 1024L);

        assertThat(summary())
                .isEqualTo(new BitmapDirectory.Summary(BitmapsState.VALID, null, true, false));
        assertThat(find(name)).isEqualTo(65534);
    }

    @ParameterizedTest
    @CsvSource({"x, CORRUPT", "xxxxxxxx, CORRUPT", "'', CORRUPT"})
    void asManyBitmapsOfOneName(String name, BitmapState state) throws IOException {
        byte[] one = coarse(end, name);
        var entries = ByteBuffer.allocate(ENTRIES * one.length);
        while (entries.hasRemaining()) {
            entries.put(one);
        }
        directory(ENTRIES, entries.array());

        BitmapDirectory.Summary summary = summary();
        assertThat(summary.state()).isEqualTo(BitmapsState.CORRUPT);
        assertThat(summary.opensInQemu()).isFalse();
        try (FileChannel channel = FileChannel.open(image.file())) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
            assertThat(bitmaps.count()).isEqualTo(ENTRIES);
            for (int i : new int[] {0, 1, 30_000, ENTRIES - 1}) {
                assertThat(bitmaps.get(i).state()).isEqualTo(state);
            }
            assertThat(bitmaps.find(name.getBytes(US_ASCII))).isZero();
        }
    }

    /// A hole of 64 MiB is 2.7 million entries of zeros.
    @Test
    void aDirectoryOfZerosIsNotWalkedForEver() throws IOException {
        image.truncate(end + ENTRIES * 1024L);
        extension(ENTRIES, ENTRIES * 1024L);

        BitmapDirectory.Summary summary = summary();
        assertThat(summary.state()).isEqualTo(BitmapsState.CORRUPT);
        assertThat(summary.reason())
                .isEqualTo(
                        "bitmap directory: number of entries at file offset %d is 65536; it must be equal to nb_bitmaps (here 65535)",
                        end);
    }

    @ParameterizedTest
    @CsvSource({
        // extra_data_size, name_size, bytes of directory, the rule that is broken
        "4294967295, 65535, 67107840, DIRECTORY_SUM",
        "67107809, 8, 67107840, DIRECTORY_SUM",
        "67107808, 8, 67107840, EXTRA_DATA",
        "67042280, 65535, 67107840, NAME_SIZE",
        "4096, 8, 4128, EXTRA_DATA",
        "4097, 7, 4128, EXTRA_DATA",
        "0, 65535, 65560, NAME_SIZE",
        "0, 1024, 1048, NAME_SIZE",
    })
    void giantNamesAndExtraDataAreNotBelieved(
            long extraSize, int nameSize, long directorySize, Rule rule) throws IOException {
        image.write(end, entry(CLUSTER, 1, 9, "x".repeat(nameSize)));
        image.u32(end + 20, extraSize);
        image.truncate(end + directorySize);
        extension(1, directorySize);

        BitmapDirectory.Summary summary = summary();
        assertThat(summary.reason()).contains(rule.mustBe());
        assertThat(summary.opensInQemu()).isFalse().isEqualTo(RuleImages.opensInQemu(image.file()));
        if (rule == Rule.EXTRA_DATA) {
            Bitmap bitmap = bitmap(0);
            assertThat(bitmap.state()).isEqualTo(BitmapState.UNSUPPORTED);
            byte[] extra = bitmap.extraData();
            assertThat(extra == null ? -1 : extra.length)
                    .isEqualTo(extraSize > 4096 ? -1 : extraSize);
        }
    }

    @Test
    void aDirectoryAtTheEndOfAllNumbersIsPastTheEnd() throws IOException {
        for (long size : new long[] {32, 67107840}) {
            extension(1, size);
            image.u64(image.bitmapsPayload() + 16, Long.MAX_VALUE & -CLUSTER);

            BitmapDirectory.Summary summary = summary();
            assertThat(summary.state()).isEqualTo(BitmapsState.CORRUPT);
            assertThat(summary.opensInQemu())
                    .isFalse()
                    .isEqualTo(RuleImages.opensInQemu(image.file()));
        }
    }

    @Test
    void asManySnapshotsAsThereMayBe() throws IOException {
        image.truncate(end + 65536 * 40L);
        image.u32(60, 65536).u64(64, end);

        assertThat(header().snapshotCount()).isEqualTo(65536);
        image.truncate(end + 65536 * 40L - 1);
        assertThatThrownBy(this::header)
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("snapshot table: end of the entry");
    }

    /// A small file that names 2^42 references: four million L2 tables, all of them one.
    @Test
    void tablesThatNameEachOtherWithoutEndAreNoReasonToChangeAnything() throws IOException {
        int snapshots = 4;
        int l1Size = 1 << 22;
        long l1 = end;
        long l2 = l1 + l1Size * 8L;
        long table = l2 + CLUSTER;
        var entries = ByteBuffer.allocate(l1Size * 8);
        while (entries.hasRemaining()) {
            entries.putLong(l2 | 1L << 63);
        }
        image.write(l1, entries.array());
        var full = ByteBuffer.allocate(CLUSTER);
        while (full.hasRemaining()) {
            full.putLong(l1 | 1L << 63);
        }
        image.write(l2, full.array());
        var snapshot = ByteBuffer.allocate(snapshots * 64);
        for (int i = 0; i < snapshots; i++) {
            int at = i * 64;
            snapshot.putLong(at, l1).putInt(at + 8, l1Size);
            snapshot.putShort(at + 12, (short) 1).putShort(at + 14, (short) 1);
            snapshot.putInt(at + 36, 16).putLong(at + 48, SIZE);
            snapshot.put(at + 56, (byte) ('a' + i)).put(at + 57, (byte) ('a' + i));
        }
        image.write(table, snapshot.array());
        image.u32(60, snapshots).u64(64, table);

        assertThatThrownBy(() -> change(draft -> draft.create(new byte[] {'x'}, null, true, null)))
                .isInstanceOf(ChangeRefusedException.class)
                .hasMessageContaining("name more tables than 4 snapshots");
        Check.Report report = ask((file, _) -> Check.run(file));
        assertThat(report.complete()).isFalse();
        assertThat(report.consistent()).isFalse();
        assertThat(report.errors())
                .anyMatch(finding -> finding.message().contains("not all were visited"));
    }

    /// Refcount blocks that say that nothing is free, over and over.
    @Test
    void refcountsWithoutAFreeClusterAreNotReadForEver() throws IOException {
        int big = 2 << 20;
        Path path = folder.resolve("full.qcow2");
        try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            new NewImage(SIZE, big).writeTo(channel);
        }
        image = new ImageBytes(path);
        long table = (image.length() + big - 1) / big * big;
        long block = table + 4L * big;
        var entries = ByteBuffer.allocate(4 * big);
        while (entries.hasRemaining()) {
            entries.putLong(block);
        }
        image.write(table, entries.array());
        byte[] ones = new byte[big];
        Arrays.fill(ones, (byte) 1);
        image.write(block, ones);
        image.u64(48, table).u32(56, 4);

        assertThatThrownBy(() -> change(draft -> draft.create(new byte[] {'x'}, null, true, null)))
                .isInstanceOf(ChangeRefusedException.class)
                .hasMessageContaining("no free cluster is found");
    }

    private void change(Changes.Operations operations) {
        ask((_, _) -> {
            Changes.change(image.file(), operations);
            return true;
        });
    }

    /// Something that is asked of the open image.
    private interface Question<T> {
        T ask(ImageFile file, Image open) throws IOException, ChangeRefusedException;
    }

    private <T> T ask(Question<T> question) {
        return assertTimeoutPreemptively(
                PATIENCE,
                () -> {
                    try (FileChannel channel = FileChannel.open(image.file())) {
                        ImageFile file = ImageFile.of(channel);
                        return question.ask(file, Image.open(file, false).orElseThrow());
                    }
                });
    }

    private BitmapDirectory.Summary summary() {
        return ask((file, open) -> open.bitmaps().summary());
    }

    private Header header() {
        return ask((file, open) -> open.header());
    }

    private int find(byte[] name) {
        return ask((file, open) -> open.bitmaps().find(name));
    }

    private Bitmap bitmap(int position) {
        return ask((file, open) -> open.bitmaps().get(position));
    }

    private List<Extent> extents(int position) {
        return ask((file, open) -> Extents.dirty(file, open.bitmaps().get(position)));
    }

    private Totals totals(int position) {
        return ask((file, open) -> {
            Bitmap bitmap = open.bitmaps().get(position);
            return Totals.of(Extents.hasty(bitmap.reader(file)), bitmap.geometry());
        });
    }

    /// Writes the directory at [#end] and the extension that points to it.
    private void directory(int count, byte[] entries) {
        image.write(end, entries);
        extension(count, entries.length);
    }

    private void extension(int count, long size) {
        if (!image.hasBitmaps()) {
            RuleCase.prepend(image, ImageBytes.BITMAPS_EXTENSION, "\0".repeat(24));
        }
        long payload = image.bitmapsPayload();
        image.u32(payload, count).u64(payload + 8, size).u64(payload + 16, end);
        image.setBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
    }

    /// A bitmap with granules of 2 GiB: 1024 bits in one cluster.
    private static byte[] coarse(long table, String name) {
        return entry(table, 1, 31, name);
    }

    private static byte[] entry(long table, int entries, int granularityBits, String name) {
        var entry = ByteBuffer.allocate((24 + name.length() + 7) & -8);
        entry.putLong(table).putInt(entries).putInt(0).put((byte) 1).put((byte) granularityBits);
        entry.putShort((short) name.length()).putInt(0).put(name.getBytes(US_ASCII));
        return entry.array();
    }
}
