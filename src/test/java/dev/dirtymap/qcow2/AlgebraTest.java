package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.Algebra.Operand;
import dev.dirtymap.qcow2.Algebra.Operation;
import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Combines random bitmaps of one disk and compares with a loop over its granules.
class AlgebraTest {

    private static final int DISKS_A_SEED = 6;

    static LongStream seeds() {
        return LongStream.rangeClosed(1, 40);
    }

    /// Bitmaps of one disk.
    ///
    /// @param bitmaps the bits of the operands are those of the first ones, in order
    private record Disk(long virtualSize, List<RandomBitmap> bitmaps) {

        private static final int MOST = 8;

        static Disk of(Random random) {
            int finest = 9 + random.nextInt(13);
            long most = random.nextInt(8) == 0 ? 400_000 : 20_000;
            long granules = 1 + random.nextLong(random.nextInt(4) == 0 ? 200 : most);
            long last = 1 + random.nextLong(1L << (finest - 9));
            long size = ((granules - 1) << finest) + last * 512;
            List<RandomBitmap> bitmaps = new ArrayList<>();
            int count = 1 + random.nextInt(MOST);
            for (int i = 0; i < count; i++) {
                int bits = finest + random.nextInt(22 - finest);
                var geometry = new Geometry(size, bits, 9 + random.nextInt(3));
                bitmaps.add(RandomBitmap.of(geometry, random));
            }
            return new Disk(size, bitmaps);
        }

        /// Each operand reads patiently or hastily, and only forwards and each bit once if it is `once`.
        List<Operand> operands(Random random, boolean once) {
            List<Operand> operands = new ArrayList<>();
            for (RandomBitmap bitmap : bitmaps) {
                BitSource source =
                        random.nextBoolean()
                                ? Extents.patient(bitmap.reader())
                                : Extents.hasty(bitmap.reader());
                operands.add(
                        new Operand(
                                once ? new ReadOnce(source) : constant(bitmap, source),
                                bitmap.geometry()));
            }
            return operands;
        }

        /// A bitmap that is all one kind is sometimes told so in one run.
        private static BitSource constant(RandomBitmap bitmap, BitSource otherwise) {
            long bits = bitmap.geometry().bits();
            int set = bitmap.bits().cardinality();
            if (set == 0) {
                return all(BitRun.Kind.ZEROS, bits);
            }
            return set == bits ? all(BitRun.Kind.ONES, bits) : otherwise;
        }

        /// What is expected, granule by granule of the finest granularity.
        RandomBitmap expected(Operation operation) {
            Geometry finest =
                    bitmaps.stream()
                            .map(RandomBitmap::geometry)
                            .reduce((a, b) -> b.granularity() < a.granularity() ? b : a)
                            .orElseThrow();
            var bits = new BitSet();
            for (int bit = 0; bit < finest.bits(); bit++) {
                long offset = finest.guestOffset(bit);
                int dirty = 0;
                for (RandomBitmap bitmap : bitmaps) {
                    dirty += isDirty(bitmap, offset) ? 1 : 0;
                }
                boolean first = isDirty(bitmaps.getFirst(), offset);
                bits.set(
                        bit,
                        switch (operation) {
                            case UNION -> dirty > 0;
                            case INTERSECTION -> dirty == bitmaps.size();
                            case DIFFERENCE -> first && dirty == 1;
                            case XOR -> dirty % 2 == 1;
                        });
            }
            return new RandomBitmap(finest, bits, bitmaps.getFirst().file(), 0);
        }

        private static boolean isDirty(RandomBitmap bitmap, long offset) {
            return bitmap.bits().get((int) (offset / bitmap.geometry().granularity()));
        }

        @Override
        public String toString() {
            return bitmaps.toString();
        }
    }

    /// Fails when it is asked for a bit that it has given before.
    private static final class ReadOnce implements BitSource {

        private final BitSource source;
        private long given;

        ReadOnce(BitSource source) {
            this.source = source;
        }

        @Override
        public void read(long bit, BitRun run) throws IOException {
            assertThat(bit % 64).isZero();
            assertThat(bit).as("read again").isGreaterThanOrEqualTo(given);
            source.read(bit, run);
            given = run.end();
        }
    }

    private static BitSource all(BitRun.Kind kind, long bits) {
        return (bit, run) -> {
            run.start(bit);
            run.extend(kind, bits);
        };
    }

    private static BitSource none() {
        return (bit, _) -> {
            throw new IOException("bit %d is not needed".formatted(bit));
        };
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void combinesEveryBitInPiecesOfAnySize(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < DISKS_A_SEED; i++) {
            Disk disk = Disk.of(random);
            for (Operation operation : Operation.values()) {
                RandomBitmap expected = disk.expected(operation);
                var algebra = new Algebra(operation, disk.operands(random, true));
                assertThat(algebra.geometry().granularity())
                        .isEqualTo(expected.geometry().granularity());
                assertThat(algebra.geometry().virtualSize()).isEqualTo(disk.virtualSize());
                long count = expected.geometry().bits();
                var run = new BitRun(8 * (1 + random.nextInt(random.nextBoolean() ? 3 : 3000)));
                for (long bit = 0; bit < count; bit = run.end()) {
                    algebra.read(bit, run);
                    assertRun(run, bit, expected, operation + " of " + disk);
                }
                // From any word on, and backwards too, with operands that allow it.
                algebra = new Algebra(operation, disk.operands(random, false));
                for (int jump = 0; jump < 10; jump++) {
                    long any = random.nextLong(count) & -64L;
                    algebra.read(any, run);
                    assertRun(run, any, expected, operation + " of " + disk);
                }
            }
        }
    }

    private static void assertRun(BitRun run, long start, RandomBitmap expected, String what) {
        long count = expected.geometry().bits();
        assertThat(run.start()).as(what).isEqualTo(start);
        assertThat(run.end()).as(what).isGreaterThan(start).isLessThanOrEqualTo(count);
        assertThat(run.end() % 64 == 0 || run.end() == count).as(what).isTrue();
        for (long bit = run.start(); bit < run.end(); bit++) {
            if (run.isSet(bit) != expected.bits().get((int) bit)) {
                throw new AssertionError("bit %d of %s".formatted(bit, what));
            }
        }
        if (run.kind() == BitRun.Kind.MIXED && (run.end() & 63) != 0) {
            assertThat(run.word(run.end() - 1) >>> (run.end() & 63)).as(what).isZero();
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void findsTheExtentsOfAnyWindow(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < DISKS_A_SEED; i++) {
            Disk disk = Disk.of(random);
            Operation operation = List.of(Operation.values()).get(random.nextInt(4));
            RandomBitmap expected = disk.expected(operation);
            for (Selection selection : Selection.values()) {
                long one = random.nextLong(disk.virtualSize() + 1);
                long other = random.nextBoolean() ? 0 : random.nextLong(disk.virtualSize() + 1);
                long start = Math.min(one, other);
                long end = Math.max(one, other);
                var algebra = new Algebra(operation, disk.operands(random, true));
                int piece = random.nextBoolean() ? 8 : BitmapReader.MAX_PIECE;
                assertThat(
                                Extents.all(
                                        new ExtentScanner(
                                                algebra,
                                                algebra.geometry(),
                                                selection,
                                                start,
                                                end,
                                                piece)))
                        .as("%s of %s, %s from %d to %d", operation, disk, selection, start, end)
                        .isEqualTo(expected.extents(selection, start, end));
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void countsWhatIsDirty(long seed) throws IOException {
        var random = new Random(seed);
        Disk disk = Disk.of(random);
        for (Operation operation : Operation.values()) {
            List<Extent> dirty =
                    disk.expected(operation).extents(Selection.DIRTY, 0, disk.virtualSize());
            var algebra = new Algebra(operation, disk.operands(random, true));
            assertThat(Totals.of(algebra, algebra.geometry()))
                    .as("%s of %s", operation, disk)
                    .isEqualTo(
                            new Totals(
                                    dirty.stream().mapToLong(Extent::length).sum(), dirty.size()));
        }
    }

    /// A petabyte in granules of 64 KiB and of 2 MiB: only what tells it in one run can be that fast.
    @ParameterizedTest
    @EnumSource(Operation.class)
    void whatIsTheSameEverywhereCostsNothing(Operation operation) throws IOException {
        long size = (1L << 50) + 512;
        var fine = new Geometry(size, 16, 16);
        var coarse = new Geometry(size, 21, 16);
        for (int kinds = 0; kinds < 4; kinds++) {
            boolean first = (kinds & 1) != 0;
            boolean second = (kinds & 2) != 0;
            BitSource one = all(first ? BitRun.Kind.ONES : BitRun.Kind.ZEROS, fine.bits());
            BitSource two = all(second ? BitRun.Kind.ONES : BitRun.Kind.ZEROS, coarse.bits());
            var algebra =
                    new Algebra(
                            operation, List.of(new Operand(one, fine), new Operand(two, coarse)));
            boolean dirty =
                    switch (operation) {
                        case UNION -> first || second;
                        case INTERSECTION -> first && second;
                        case DIFFERENCE -> first && !second;
                        case XOR -> first != second;
                    };
            var run = new BitRun(8);
            algebra.read(0, run);
            assertThat(run.kind()).isEqualTo(dirty ? BitRun.Kind.ONES : BitRun.Kind.ZEROS);
            assertThat(run.end()).isEqualTo(fine.bits());
            assertThat(Totals.of(algebra, fine))
                    .isEqualTo(dirty ? new Totals(size, 1) : new Totals(0, 0));
        }
    }

    @Test
    void whereOneDecidesTheOthersAreNotRead() throws IOException {
        var geometry = new Geometry(1L << 40, 16, 16);
        var ones = new Operand(all(BitRun.Kind.ONES, geometry.bits()), geometry);
        var zeros = new Operand(all(BitRun.Kind.ZEROS, geometry.bits()), geometry);
        var unread = new Operand(none(), geometry);
        assertThat(Totals.of(new Algebra(Operation.UNION, List.of(ones, unread)), geometry))
                .isEqualTo(new Totals(1L << 40, 1));
        assertThat(Totals.of(new Algebra(Operation.INTERSECTION, List.of(zeros, unread)), geometry))
                .isEqualTo(new Totals(0, 0));
        assertThat(Totals.of(new Algebra(Operation.DIFFERENCE, List.of(zeros, unread)), geometry))
                .isEqualTo(new Totals(0, 0));
        assertThat(
                        Totals.of(
                                new Algebra(Operation.DIFFERENCE, List.of(ones, ones, unread)),
                                geometry))
                .isEqualTo(new Totals(0, 0));
        var needed = new Algebra(Operation.XOR, List.of(ones, unread));
        assertThatThrownBy(() -> Totals.of(needed, geometry)).hasMessage("bit 0 is not needed");
    }

    @Test
    void holdsNoMoreThanItsShareOfManyOperands() throws IOException {
        var geometry = new Geometry(1L << 40, 9, 16);
        int[] largest = {0};
        BitSource noise =
                (bit, run) -> {
                    largest[0] = Math.max(largest[0], run.bytes.length);
                    run.start(bit);
                    run.put(0, 0x5555);
                    run.mixed(bit, bit + 64);
                };
        List<Operand> operands = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            operands.add(new Operand(noise, geometry));
        }
        var run = new BitRun(BitmapReader.MAX_PIECE);
        new Algebra(Operation.INTERSECTION, operands).read(0, run);
        assertThat(run.word(0)).isEqualTo(0x5555);
        assertThat(largest[0]).isBetween(8, (2 << 20) / 100);
    }

    @Test
    void refusesOperandsThatHaveNoDiskInCommon() {
        assertThatThrownBy(() -> new Algebra(Operation.UNION, List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("operands must be at least one, but were none");
        var one = new Operand(none(), new Geometry(1024, 16, 16));
        var other = new Operand(none(), new Geometry(1536, 16, 16));
        assertThatThrownBy(() -> new Algebra(Operation.UNION, List.of(one, other)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "operands must be of one virtual size, but were of 1024 and 1536 bytes");
    }
}
