package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Splits and heatmaps of random bitmaps, held against their extents.
class PlanningTest {

    private static final int BITMAPS_A_SEED = 12;

    private static final BitSource UNREADABLE =
            (bit, _) -> {
                throw new IOException("there is no bit " + bit);
            };

    static LongStream seeds() {
        return LongStream.rangeClosed(1, 30);
    }

    private static List<BitSource> sources(RandomBitmap bitmap) {
        return List.of(Extents.patient(bitmap.reader()), Extents.hasty(bitmap.reader()));
    }

    /// How many of the bytes from one to another are dirty.
    private static long dirtyBytes(List<Extent> dirty, long from, long to) {
        return dirty.stream()
                .mapToLong(extent ->
                        Math.max(0, Math.min(to, extent.end()) - Math.max(from, extent.offset())))
                .sum();
    }

    private static int number(Random random, int most) {
        return switch (random.nextInt(4)) {
            case 0 -> 1;
            case 1 -> 1 + random.nextInt(10);
            case 2 -> 1 + random.nextInt(most);
            default -> most;
        };
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void splitsTileTheDiskInEqualShares(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            int count = number(random, Split.MAX_COUNT);
            for (BitSource source : sources(bitmap)) {
                assertSplits(bitmap, count, Split.of(source, bitmap.geometry(), count));
            }
        }
    }

    private static void assertSplits(RandomBitmap bitmap, int count, List<Split> splits) {
        Geometry geometry = bitmap.geometry();
        int granules = bitmap.bits().cardinality();
        assertThat(splits).as("%s", bitmap).hasSize(Math.clamp(granules, 1, count));
        List<Extent> dirty = bitmap.extents(Selection.DIRTY, 0, geometry.virtualSize());
        List<Long> shares = new ArrayList<>();
        long at = 0;
        for (Split split : splits) {
            assertThat(split.offset()).as("%s %s", bitmap, split).isEqualTo(at);
            assertThat(split.offset() % geometry.granularity()).isZero();
            assertThat(split.length()).isPositive();
            at += split.length();
            assertThat(split.dirtyBytes())
                    .as("%s %s", bitmap, split)
                    .isEqualTo(dirtyBytes(dirty, split.offset(), at));
            shares.add(Math.ceilDiv(split.dirtyBytes(), geometry.granularity()));
        }
        assertThat(at).isEqualTo(geometry.virtualSize());
        assertThat(shares)
                .as("dirty granules of %s", bitmap)
                .allSatisfy(share ->
                        assertThat(share)
                                .isBetween(
                                        (long) granules / splits.size(),
                                        Math.ceilDiv((long) granules, splits.size())));
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void heatmapsCountEachByteOnce(long seed) throws IOException {
        var random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(random);
            long virtualSize = bitmap.geometry().virtualSize();
            List<Extent> dirty = bitmap.extents(Selection.DIRTY, 0, virtualSize);
            int buckets = number(random, Heatmap.MAX_BUCKETS);
            for (BitSource source : sources(bitmap)) {
                Heatmap heatmap = Heatmap.of(source, bitmap.geometry(), buckets);
                long length = heatmap.bucketLength();
                assertThat(length % 512).isZero();
                assertThat(length * buckets).isGreaterThanOrEqualTo(virtualSize);
                assertThat((length - 512) * buckets).isLessThan(virtualSize);
                List<Long> expected = new ArrayList<>();
                for (long at = 0; at < virtualSize; at += length) {
                    expected.add(dirtyBytes(dirty, at, Math.min(virtualSize, at + length)));
                }
                assertThat(heatmap.dirtyBytes())
                        .as("%s in %d", bitmap, buckets)
                        .isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void bitmapsOfAnyGranularityHaveTheSameSlices(long seed) throws IOException {
        var random = new Random(seed);
        long size = 512 * (1 + random.nextLong(100_000));
        int buckets = number(random, Heatmap.MAX_BUCKETS);
        long length = 0;
        for (int bits = 9; bits < 32; bits += 1 + random.nextInt(5)) {
            RandomBitmap bitmap = RandomBitmap.of(new Geometry(size, bits, 9), random);
            Heatmap heatmap =
                    Heatmap.of(Extents.patient(bitmap.reader()), bitmap.geometry(), buckets);
            assertThat(length == 0 || length == heatmap.bucketLength()).isTrue();
            length = heatmap.bucketLength();
        }
    }

    @Test
    void aDiskOfNoSizeHasNothing() throws IOException {
        var geometry = new Geometry(0, 16, 16);
        assertThat(Split.of(UNREADABLE, geometry, 8)).isEmpty();
        assertThat(Heatmap.of(UNREADABLE, geometry, 8)).isEqualTo(new Heatmap(512, List.of()));
    }

    /// The largest disk there is, in the smallest granules, is all dirty: numbers stay within a long.
    @Test
    void theLargestNumbersFit() throws IOException {
        var geometry = new Geometry(Long.MAX_VALUE & -512L, 9, 16);
        BitSource ones =
                (bit, run) -> {
                    run.start(bit);
                    run.extend(BitRun.Kind.ONES, geometry.bits());
                };
        List<Split> splits = Split.of(ones, geometry, Split.MAX_COUNT);
        assertThat(splits)
                .hasSize(Split.MAX_COUNT)
                .allSatisfy(split ->
                        assertThat(split.dirtyBytes()).isEqualTo(split.length()).isPositive());
        assertThat(splits.getLast().offset() + splits.getLast().length())
                .isEqualTo(geometry.virtualSize());
        Heatmap heatmap = Heatmap.of(ones, geometry, Heatmap.MAX_BUCKETS);
        assertThat(heatmap.dirtyBytes().stream().mapToLong(Long::longValue).sum())
                .isEqualTo(geometry.virtualSize());
        assertThat(heatmap.dirtyBytes().getFirst()).isEqualTo(heatmap.bucketLength());
    }

    @Test
    void refusesNumbersOutOfRange() {
        var geometry = new Geometry(1 << 20, 16, 16);
        for (int wrong : new int[] {0, -1, 1025}) {
            assertThatThrownBy(() -> Split.of(UNREADABLE, geometry, wrong))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("count must be 1 to 1024, but was " + wrong);
        }
        for (int wrong : new int[] {0, -1, 4097}) {
            assertThatThrownBy(() -> Heatmap.of(UNREADABLE, geometry, wrong))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("buckets must be 1 to 4096, but was " + wrong);
        }
    }
}
