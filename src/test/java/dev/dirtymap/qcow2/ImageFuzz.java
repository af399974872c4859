package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.dirtymap.qcow2.FuzzFrame.Part;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.OverlayImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Whatever bytes a file has: it is read, mapped, checked and changed with an answer or with one of our own refusals,
/// from a bounded number of reads, and a change leaves a sound image sound.
///
/// With its seeds alone these are tests like any other. To look for more, for six minutes a target:
///
/// ```text
/// JAZZER_FUZZ=1 mvn -B test-compile surefire:test@fuzz-seeds -Dtest='ImageFuzz#directory'
/// ```
///
/// What is found lands below `src/test/resources`, and is a seed from then on.
class ImageFuzz {

    private static final String DURATION = "6m";

    /// Bytes of tables that one walk over a file of some KiB may read at most, and some for all the rest.
    private static final long MOST_READ = (512L << 20) + (64L << 20);

    private static final int MOST_RUNS = 10_000;

    private static final class Corpus {
        static final List<byte[]> IMAGES = FuzzFrame.images();
        static final byte[] PLAIN = IMAGES.getFirst();
        static final byte[] EXTENDED = IMAGES.getLast();
        static final FuzzFrame HEADER = FuzzFrame.of(PLAIN, Part.HEADER);
        static final FuzzFrame DIRECTORY = FuzzFrame.of(PLAIN, Part.DIRECTORY);
        static final FuzzFrame BITMAP_TABLES = FuzzFrame.of(PLAIN, Part.BITMAP_TABLES);
        static final FuzzFrame GUEST_TABLES = FuzzFrame.of(PLAIN, Part.GUEST_TABLES);
        static final FuzzFrame EXTENDED_TABLES = FuzzFrame.of(EXTENDED, Part.GUEST_TABLES);
        static final FuzzFrame SNAPSHOTS = FuzzFrame.of(PLAIN, Part.SNAPSHOTS);
        static final FuzzFrame REFCOUNTS = FuzzFrame.of(PLAIN, Part.REFCOUNTS);
    }

    static Stream<Arguments> images() {
        return Corpus.IMAGES.stream().map(bytes -> Arguments.of((Object) bytes));
    }

    static Stream<Arguments> headers() {
        return Corpus.IMAGES.stream()
                .map(bytes -> Arguments.of((Object) FuzzFrame.cut(bytes, 512)));
    }

    static Stream<Arguments> directories() {
        return seeds(Corpus.DIRECTORY);
    }

    static Stream<Arguments> bitmapTables() {
        return seeds(Corpus.BITMAP_TABLES);
    }

    static Stream<Arguments> guestTables() {
        return seeds(Corpus.GUEST_TABLES);
    }

    static Stream<Arguments> extendedTables() {
        return seeds(Corpus.EXTENDED_TABLES);
    }

    static Stream<Arguments> snapshots() {
        return seeds(Corpus.SNAPSHOTS);
    }

    static Stream<Arguments> refcounts() {
        return seeds(Corpus.REFCOUNTS);
    }

    /// The sound filling, and zeros and ones in its place.
    private static Stream<Arguments> seeds(FuzzFrame frame) {
        byte[] ones = frame.seed();
        Arrays.fill(ones, (byte) 0xff);
        return Stream.of(frame.seed(), new byte[ones.length], ones)
                .map(bytes -> Arguments.of((Object) bytes));
    }

    @MethodSource("images")
    @FuzzTest(maxDuration = DURATION)
    void whole(byte[] bytes) throws IOException {
        useAll(bytes);
    }

    /// With its extensions.
    @MethodSource("headers")
    @FuzzTest(maxDuration = DURATION)
    void header(byte[] bytes) throws IOException {
        useAll(Corpus.HEADER.filled(bytes));
    }

    @MethodSource("directories")
    @FuzzTest(maxDuration = DURATION)
    void directory(byte[] bytes) throws IOException {
        useAll(Corpus.DIRECTORY.filled(bytes));
    }

    @MethodSource("bitmapTables")
    @FuzzTest(maxDuration = DURATION)
    void bitmapTable(byte[] bytes) throws IOException {
        useAll(Corpus.BITMAP_TABLES.filled(bytes));
    }

    /// L1 and L2, with compressed clusters.
    @MethodSource("guestTables")
    @FuzzTest(maxDuration = DURATION)
    void guestTable(byte[] bytes) throws IOException {
        useAll(Corpus.GUEST_TABLES.filled(bytes));
    }

    @MethodSource("extendedTables")
    @FuzzTest(maxDuration = DURATION)
    void extendedTable(byte[] bytes) throws IOException {
        useAll(Corpus.EXTENDED_TABLES.filled(bytes));
    }

    @MethodSource("snapshots")
    @FuzzTest(maxDuration = DURATION)
    void snapshot(byte[] bytes) throws IOException {
        useAll(Corpus.SNAPSHOTS.filled(bytes));
    }

    @MethodSource("refcounts")
    @FuzzTest(maxDuration = DURATION)
    void refcount(byte[] bytes) throws IOException {
        useAll(Corpus.REFCOUNTS.filled(bytes));
    }

    /// A file that is read so much and no more, once for each step.
    private static final class Metered implements ImageFile {

        private final ImageFile file;
        private long read;

        Metered(ImageFile file) {
            this.file = file;
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public int read(long offset, ByteBuffer destination) throws IOException {
            read += destination.remaining();
            assertThat(read).as("bytes read").isLessThan(MOST_READ);
            return file.read(offset, destination);
        }

        @Override
        public void write(long offset, ByteBuffer source) throws IOException {
            file.write(offset, source);
        }

        @Override
        public void sync() {}
    }

    /// One use of an image.
    @FunctionalInterface
    private interface Use {
        void of(ImageFile file) throws IOException, ChangeRefusedException;
    }

    private static void useAll(byte[] bytes) throws IOException {
        Check.Report before = Check.run(new Metered(new MemoryImageFile(bytes)));
        try {
            if (Image.open(new Metered(new MemoryImageFile(bytes)), false).isEmpty()) {
                return;
            }
        } catch (FormatException unreadable) {
            assertThat(before.consistent()).isFalse();
            return;
        }
        attempt(bytes, ImageContent::read);
        attempt(bytes, ImageFuzz::map);
        attempt(bytes, file -> Repair.leaks(file, true));
        attempt(bytes, file -> Repair.leaks(file, false));
        for (boolean dropUnsupported : new boolean[] {false, true}) {
            attempt(
                    bytes,
                    file ->
                            Repair.bitmaps(
                                    Image.open(file, false).orElseThrow(),
                                    file,
                                    dropUnsupported,
                                    false));
        }
        attempt(
                bytes,
                file -> {
                    change(file);
                    Check.Report after = Check.run(file);
                    assertThat(after.consistent() || !before.consistent())
                            .as("%s", after.errors())
                            .isTrue();
                });
    }

    private static void attempt(byte[] bytes, Use use) throws IOException {
        try {
            use.of(new Metered(new OverlayImageFile(new MemoryImageFile(bytes))));
        } catch (FormatException | ChangeRefusedException refused) {
            // An answer too.
        }
    }

    private static void map(ImageFile file) throws IOException {
        Image image = Image.open(file, false).orElseThrow();
        var layer = new MapLayer.Qcow2(image, file);
        for (MapReader reader :
                List.of(MapReader.ofImage(layer), MapReader.ofChain(List.of(layer)))) {
            var scanner =
                    new MapScanner(
                            (offset, piece) -> {
                                if (!reader.readKnown(offset, piece)) {
                                    reader.read(piece, System.nanoTime());
                                }
                            },
                            0,
                            reader.virtualSize());
            long end = 0;
            MapExtent next = scanner.next();
            for (int runs = 0; next != null && runs < MOST_RUNS; runs++) {
                assertThat(next.offset()).isEqualTo(end);
                end = next.end();
                next = scanner.next();
            }
        }
    }

    private static void change(ImageFile file) throws IOException, ChangeRefusedException {
        Image image = Image.open(file, false).orElseThrow();
        BitmapsDraft draft = new BitmapsDraft(image, file);
        draft.create(
                "new".getBytes(US_ASCII),
                null,
                true,
                new ReferencePoint("backup", null, "note", Instant.EPOCH));
        if (image.bitmaps().count() > 0) {
            draft.delete(image.bitmaps().get(0).name());
        }
        Commit commit = Commit.prepare(draft);
        commit.commit();
        commit.finish();
    }
}
