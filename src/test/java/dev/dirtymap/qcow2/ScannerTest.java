package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.qcow2.ExtentScanner.Taker;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableSet;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Reads random bitmaps in every way there is and compares with a loop over their bits.
class ScannerTest {

    private static final int BITMAPS_A_SEED = 20;
    private static final int WINDOWS_A_BITMAP = 4;

    static LongStream seeds() {
        return LongStream.rangeClosed(1, 20);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void findsTheExtentsOfAnyWindow(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            for (Selection selection : Selection.values()) {
                for (int window = 0; window < WINDOWS_A_BITMAP; window++) {
                    long size = bitmap.geometry().virtualSize();
                    long one = window == 0 ? 0 : random.nextLong(size + 1);
                    long other = window == 0 ? size : random.nextLong(size + 1);
                    assertExtents(bitmap, selection, Math.min(one, other), Math.max(one, other));
                }
            }
        }
    }

    private static void assertExtents(
            RandomBitmap bitmap, Selection selection, long start, long end) throws IOException {
        List<Extent> expected = bitmap.extents(selection, start, end);
        for (BitSource source : sources(bitmap)) {
            assertThat(scan(source, bitmap, selection, start, end))
                    .as("%s %s from %d to %d", bitmap, selection, start, end)
                    .isEqualTo(expected);
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void goesOnWhereAnExtentBeginsOrEnds(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long size = bitmap.geometry().virtualSize();
            Selection selection = List.of(Selection.values()).get(random.nextInt(3));
            List<Extent> all = bitmap.extents(selection, 0, size);
            if (all.isEmpty()) {
                continue;
            }
            int from = random.nextInt(all.size());
            for (BitSource source : sources(bitmap)) {
                assertThat(scan(source, bitmap, selection, all.get(from).offset(), size))
                        .isEqualTo(all.subList(from, all.size()));
                assertThat(scan(source, bitmap, selection, all.get(from).end(), size))
                        .isEqualTo(all.subList(from + 1, all.size()));
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void pagesOfAnySizeAddUp(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < 8; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long end = bitmap.geometry().virtualSize();
            for (Selection selection : Selection.values()) {
                List<Extent> all = bitmap.extents(selection, 0, end);
                // Small enough to make many pages, and large enough not to make a hundred thousand.
                int limit = 1 + random.nextInt(5) + all.size() / 50;
                for (BitSource source : sources(bitmap)) {
                    assertThat(pages(source, bitmap, selection, limit)).isEqualTo(all);
                }
            }
        }
    }

    private static List<Extent> pages(
            BitSource source, RandomBitmap bitmap, Selection selection, int limit)
            throws IOException {
        List<Extent> all = new ArrayList<>();
        long end = bitmap.geometry().virtualSize();
        long start = 0;
        while (true) {
            var scanner = new ExtentScanner(source, bitmap.geometry(), selection, start, end);
            for (int i = 0; i < limit; i++) {
                Extent next = scanner.next();
                if (next == null) {
                    assertThat(scanner.next()).isNull();
                    return all;
                }
                all.add(next);
                start = next.end();
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void countsWhatIsDirty(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            List<Extent> dirty =
                    bitmap.extents(Selection.DIRTY, 0, bitmap.geometry().virtualSize());
            var expected = new Totals(dirty.stream().mapToLong(Extent::length).sum(), dirty.size());
            for (BitSource source : sources(bitmap)) {
                assertThat(Totals.of(source, bitmap.geometry()))
                        .as("%s", bitmap)
                        .isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void readsEveryBitInPiecesOfAnySize(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < 10; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long count = bitmap.geometry().bits();
            BitmapReader reader = bitmap.reader();
            var run = new BitRun(8 * (1 + random.nextInt(random.nextBoolean() ? 3 : 3000)));
            long late = random.nextBoolean() ? Long.MAX_VALUE / 2 : -1;
            for (long bit = 0; bit < count; bit = run.end()) {
                reader.read(bit, run, System.nanoTime() + late);
                assertThat(run.start()).isEqualTo(bit);
                assertThat(run.end()).isGreaterThan(bit).isLessThanOrEqualTo(count);
                assertThat(run.end() % 64 == 0 || run.end() == count).isTrue();
                assertRun(bitmap, run);
            }
            // Runs are found from any word on, not only one after the other.
            long any = random.nextLong(count) & -64L;
            reader.read(any, run, System.nanoTime() + late);
            assertThat(run.start()).isEqualTo(any);
            assertRun(bitmap, run);
        }
    }

    private static void assertRun(RandomBitmap bitmap, BitRun run) {
        for (long bit = run.start(); bit < run.end(); bit++) {
            if (run.isSet(bit) != bitmap.bits().get((int) bit)) {
                throw new AssertionError("bit %d of %s".formatted(bit, bitmap));
            }
        }
        if (run.kind() == BitRun.Kind.MIXED && (run.end() & 63) != 0) {
            assertThat(run.word(run.end() - 1) >>> (run.end() & 63)).isZero();
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void writesTheBytesOfTheBitmap(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < 10; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long length = bitmap.geometry().bytes();
            byte[] expected = Arrays.copyOf(bitmap.bits().toByteArray(), Math.toIntExact(length));
            var written = new ByteArrayOutputStream();
            var run = new BitRun(512);
            for (BitSource source : sources(bitmap)) {
                written.reset();
                for (long at = 0; at < length; ) {
                    source.read(at * 8 & -64L, run);
                    long end = (run.end() + 7) / 8;
                    // Any part of a run that begins where the last one stopped.
                    long stop = Math.min(end, at + 1 + random.nextLong(40_000));
                    run.writeTo(written, at, stop);
                    at = stop;
                }
                assertThat(written.toByteArray()).isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Selection.class)
    void anEmptyWindowHasNoExtents(Selection selection) throws IOException {
        RandomBitmap bitmap = RandomBitmap.of(new Random(1));
        long size = bitmap.geometry().virtualSize();
        for (long at : new long[] {0, 1, 512, size / 2, size - 1, size}) {
            assertThat(scan(Extents.hasty(bitmap.reader()), bitmap, selection, at, at)).isEmpty();
        }
    }

    @Test
    void aDiskOfNoSizeHasNothing() throws IOException {
        var geometry = new Geometry(0, 16, 16);
        BitSource none =
                (bit, run) -> {
                    throw new IOException("there is nothing to read");
                };

        assertThat(Extents.all(new ExtentScanner(none, geometry, Selection.ALL, 0, 0))).isEmpty();
        assertThat(Totals.of(none, geometry)).isEqualTo(new Totals(0, 0));
    }

    /// What was read in a hold that failed counts for nothing, and all of it is read again.
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void goesOnAfterAFailureAsIfItHadNotBeen(long seed) throws IOException {
        var random = new Random(seed);
        int failures = 0;
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long size = bitmap.geometry().virtualSize();
            BitSource sound = Extents.goingOn(bitmap.reader(), () -> random.nextInt(4) > 0);
            BitSource failing =
                    new BitSource() {
                        @Override
                        public void read(long bit, BitRun run) throws IOException {
                            sound.read(bit, run);
                        }

                        @Override
                        public void read(long bit, BitRun run, Taker taker) throws IOException {
                            sound.read(bit, run, taker);
                            if (random.nextBoolean()) {
                                throw new IOException("it changed meanwhile");
                            }
                        }
                    };
            for (Selection selection : Selection.values()) {
                long start = random.nextLong(size + 1);
                long end = start + random.nextLong(size - start + 1);
                var scanner = new ExtentScanner(failing, bitmap.geometry(), selection, start, end);
                List<Extent> extents = new ArrayList<>();
                while (true) {
                    try {
                        Extent next = scanner.next();
                        if (next == null) {
                            break;
                        }
                        extents.add(next);
                    } catch (IOException e) {
                        failures++;
                    }
                }
                assertThat(extents)
                        .as("%s of %s", selection, bitmap)
                        .isEqualTo(bitmap.extents(selection, start, end));
            }
        }
        assertThat(failures).isPositive();
    }

    /// What cannot be read harms nobody who has enough without it: where all are found that come before with a hold for
    /// each run, all are found with few holds.
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void whatCannotBeReadIsMetWhereItIs(long seed) throws IOException {
        var random = new Random(seed);
        int failures = 0;
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long damage = random.nextLong(bitmap.file().size());
            BitmapReader reader = bitmap.reader(new DamagedFile(bitmap.file(), damage));
            for (Selection selection : Selection.values()) {
                List<Extent> one = new ArrayList<>();
                List<Extent> many = new ArrayList<>();
                boolean failed = !isWhole(Extents.patient(reader), bitmap, selection, one);
                assertThat(isWhole(Extents.goingOn(reader), bitmap, selection, many))
                        .isEqualTo(!failed);
                List<Extent> all = bitmap.extents(selection, 0, bitmap.geometry().virtualSize());
                assertThat(many)
                        .as("%s of %s", selection, bitmap)
                        .isEqualTo(all.subList(0, failed ? many.size() : all.size()))
                        .hasSizeGreaterThanOrEqualTo(one.size());
                failures += failed ? 1 : 0;
            }
        }
        assertThat(failures).isPositive();
    }

    /// A file of which one byte cannot be read.
    private record DamagedFile(ImageFile file, long damage) implements ImageFile {

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public int read(long offset, ByteBuffer destination) throws IOException {
            if (damage >= offset && damage - offset < destination.remaining()) {
                throw new IOException("Input/output error");
            }
            return file.read(offset, destination);
        }
    }

    /// @param extents receives those that are found
    private static boolean isWhole(
            BitSource source, RandomBitmap bitmap, Selection selection, List<Extent> extents) {
        long end = bitmap.geometry().virtualSize();
        var scanner = new ExtentScanner(source, bitmap.geometry(), selection, 0, end);
        try {
            for (Extent next = scanner.next(); next != null; next = scanner.next()) {
                extents.add(next);
            }
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /// Bits between two runs, or at the end of one that stops within a word, would be told to be clean.
    @Test
    void aSourceThatLeavesBitsOutIsNotBelieved() {
        var geometry = new Geometry(300 << 16, 16, 16);
        List<BitSource> sources =
                List.of(
                        (bit, run) -> {
                            run.start(bit);
                            run.extend(BitRun.Kind.ONES, Math.min(300, bit + 100));
                        },
                        (bit, run) -> {
                            run.start(bit + 64);
                            run.extend(BitRun.Kind.ONES, 300);
                        });
        for (BitSource source : sources) {
            var scanner =
                    new ExtentScanner(source, geometry, Selection.DIRTY, 0, geometry.virtualSize());
            assertThatIllegalStateException().isThrownBy(() -> Extents.all(scanner));
        }
    }

    /// 64 TiB, all of whose bits have to be read: what was read so far, and under how many holds of the lock.
    private static final class LargeBitmap implements BitSource {

        private final Geometry geometry = new Geometry(64L << 40, 16, 16);
        private final NavigableSet<Long> dirty = new TreeSet<>();
        private long holds;
        private long bytes;

        @Override
        public void read(long bit, BitRun run) {
            run.start(bit);
            long end = Math.min(geometry.bits(), bit + 8L * run.bytes.length);
            Arrays.fill(run.bytes, (byte) 0);
            for (long set : dirty.subSet(bit, end)) {
                int index = (int) ((set - bit) >> 6);
                run.put(index, run.get(index) | 1L << (set & 63));
            }
            run.mixed(bit, end);
            bytes += run.bytes.length;
        }

        @Override
        public void read(long bit, BitRun run, Taker taker) {
            holds++;
            BitRun next = run;
            for (long at = bit; next != null; ) {
                read(at, next);
                at = next.end();
                next = taker.take(next);
            }
        }

        private ExtentScanner scanner() {
            return new ExtentScanner(this, geometry, Selection.DIRTY, 0, geometry.virtualSize());
        }
    }

    /// Neither a hold of the lock for each piece, nor the whole disk for its first extent.
    @Test
    void scarceExtentsNeedFewHoldsAndTheFirstOnesLittle() throws IOException {
        var bitmap = new LargeBitmap();
        for (long bit = 0; bit < bitmap.geometry.bits(); bit += 26L << 13) {
            bitmap.dirty.add(bit);
        }
        ExtentScanner scanner = bitmap.scanner();

        assertThat(scanner.next()).isEqualTo(new Extent(0, 65536, true));
        assertThat(bitmap.bytes).isLessThanOrEqualTo(300 << 10);

        assertThat(Extents.all(scanner)).hasSize(bitmap.dirty.size() - 1).hasSizeGreaterThan(5000);
        assertThat(bitmap.holds).isLessThan(100);
        assertThat(bitmap.bytes).isLessThan(129 << 20);
    }

    /// Whoever has found what he wants does not pay for the emptiness behind it.
    @Test
    void asMuchIsReadAsThePlaceOfTheExtentsDemands() throws IOException {
        var bitmap = new LargeBitmap();
        bitmap.dirty.addAll(List.of(0L, 2L, 4L, 1_000_000L));
        ExtentScanner scanner = bitmap.scanner();

        for (long bit : bitmap.dirty) {
            assertThat(scanner.next()).isEqualTo(new Extent(bit << 16, 65536, true));
        }
        assertThat(bitmap.bytes).isLessThanOrEqualTo(300 << 10);
        assertThat(scanner.next()).isNull();
        assertThat(bitmap.holds).isLessThan(10);
    }

    private static List<BitSource> sources(RandomBitmap bitmap) {
        var random = new Random(bitmap.tableOffset());
        return List.of(
                Extents.patient(bitmap.reader()),
                Extents.hasty(bitmap.reader()),
                Extents.goingOn(bitmap.reader()),
                Extents.goingOn(bitmap.reader(), () -> random.nextInt(4) > 0));
    }

    private static List<Extent> scan(
            BitSource source, RandomBitmap bitmap, Selection selection, long start, long end)
            throws IOException {
        return Extents.all(new ExtentScanner(source, bitmap.geometry(), selection, start, end));
    }
}
