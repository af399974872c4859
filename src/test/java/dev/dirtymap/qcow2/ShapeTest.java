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
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Draws random bitmaps in random shapes and compares with an array that has an element for every byte of the
/// disk.
class ShapeTest {

    private static final int BITMAPS_A_SEED = 20;
    private static final int SHAPES_A_BITMAP = 12;

    static LongStream seeds() {
        return LongStream.rangeClosed(1, 12);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void isWhatTheWholeDiskShowsInTheWindow(long seed) throws IOException {
        Random random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(geometry(random), random);
            for (int j = 0; j < SHAPES_A_BITMAP; j++) {
                Shape shape = shape(bitmap.geometry(), random);
                boolean[] dirty = widened(bitmap, shape);
                long one = bound(bitmap.geometry(), shape, random);
                long other = bound(bitmap.geometry(), shape, random);
                for (Selection selection : Selection.values()) {
                    assertExtents(
                            bitmap,
                            shape,
                            dirty,
                            selection,
                            Math.min(one, other),
                            Math.max(one, other));
                    assertExtents(bitmap, shape, dirty, selection, 0, dirty.length);
                }
            }
        }
    }

    /// Between 1 and 160 granules, of which the last may be partial.
    private static Geometry geometry(Random random) {
        int granularityBits = 9 + random.nextInt(4);
        int count = 1 + random.nextInt(random.nextBoolean() ? 10 : 160 >> (granularityBits - 9));
        long last = 1 + random.nextLong(1L << (granularityBits - 9));
        return new Geometry(
                ((long) (count - 1) << granularityBits) + last * 512, granularityBits, 9);
    }

    private static Shape shape(Geometry geometry, Random random) {
        long size = geometry.virtualSize();
        long granularity = geometry.granularity();
        long align =
                switch (random.nextInt(4)) {
                    case 0 -> 1;
                    case 1 -> granularity << random.nextInt(3);
                    case 2 -> granularity << random.nextInt(10);
                    default -> random.nextBoolean() ? 1L << 40 : 1L << 62;
                };
        long gap =
                switch (random.nextInt(8)) {
                    case 0, 1 -> random.nextInt(2);
                    case 2 -> granularity + random.nextInt(3) - 1;
                    case 3 -> 2 * granularity + random.nextInt(3) - 1;
                    case 4 -> random.nextLong(12 * granularity);
                    case 5 -> random.nextLong(size + 1);
                    case 6 -> size + random.nextInt(3) - 1;
                    default -> Long.MAX_VALUE;
                };
        long maxLength =
                switch (random.nextInt(6)) {
                    // As short as makes no more than some thousand parts.
                    case 0 -> 1 + size / 3000 + random.nextInt(3);
                    case 1 -> granularity;
                    case 2 -> 1 + random.nextLong(5 * granularity);
                    case 3 -> size;
                    default -> Long.MAX_VALUE;
                };
        return new Shape(align, gap, maxLength);
    }

    /// Anywhere, or where something may go wrong.
    private static long bound(Geometry geometry, Shape shape, Random random) {
        long size = geometry.virtualSize();
        long any = random.nextLong(size + 1);
        long bound =
                switch (random.nextInt(6)) {
                    case 0 -> random.nextBoolean() ? 0 : size;
                    case 1 -> any & -geometry.granularity();
                    case 2 -> any & -shape.align();
                    case 3 -> (any & -geometry.granularity()) + random.nextInt(3) - 1;
                    case 4 -> (any & -shape.align()) + random.nextInt(3) - 1;
                    default -> any;
                };
        return Math.clamp(bound, 0, size);
    }

    /// Each byte of the disk, after the dirty ones have grown.
    private static boolean[] widened(RandomBitmap bitmap, Shape shape) {
        Geometry geometry = bitmap.geometry();
        boolean[] exact = new boolean[(int) geometry.virtualSize()];
        for (int at = 0; at < exact.length; at++) {
            exact[at] = bitmap.bits().get((int) (at / geometry.granularity()));
        }
        boolean[] dirty = new boolean[exact.length];
        for (int at = 0; at < exact.length; at++) {
            if (exact[at]) {
                long block = at / shape.align() * shape.align();
                for (long to = block; to < dirty.length && to - block < shape.align(); to++) {
                    dirty[(int) to] = true;
                }
                // The rest of the block makes no difference.
                at = (int) Math.min(dirty.length, block + shape.align()) - 1;
            }
        }
        int last = -1;
        for (int at = 0; at < dirty.length; at++) {
            if (!dirty[at]) {
                continue;
            }
            if (last >= 0 && at - last - 1 < shape.gap()) {
                for (int between = last + 1; between < at; between++) {
                    dirty[between] = true;
                }
            }
            last = at;
        }
        return dirty;
    }

    private static List<Extent> extents(
            boolean[] dirty, Selection selection, long start, long end, long maxLength) {
        List<Extent> extents = new ArrayList<>();
        long first = start;
        for (long at = start + 1; at <= end; at++) {
            boolean state = dirty[(int) first];
            if (at < end && at - first < maxLength && dirty[(int) at] == state) {
                continue;
            }
            if (selection == Selection.ALL || state == (selection == Selection.DIRTY)) {
                extents.add(new Extent(first, at - first, state));
            }
            first = at;
        }
        return extents;
    }

    private static void assertExtents(
            RandomBitmap bitmap,
            Shape shape,
            boolean[] dirty,
            Selection selection,
            long start,
            long end)
            throws IOException {
        List<Extent> expected = extents(dirty, selection, start, end, shape.maxLength());
        for (BitSource source :
                List.of(Extents.patient(bitmap.reader()), Extents.hasty(bitmap.reader()))) {
            ExtentSource drawn =
                    shape.extents(
                            source,
                            bitmap.geometry(),
                            selection,
                            start,
                            end,
                            BitmapReader.MAX_PIECE);
            assertThat(Extents.all(drawn))
                    .as("%s %s %s from %d to %d", bitmap, shape, selection, start, end)
                    .isEqualTo(expected);
            assertThat(drawn.next()).isNull();
        }
    }

    /// As a reader does who takes them in pages.
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void goesOnWhereAnExtentBegins(long seed) throws IOException {
        Random random = new Random(seed);
        for (int i = 0; i < BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(geometry(random), random);
            Shape shape = shape(bitmap.geometry(), random);
            long end = bound(bitmap.geometry(), shape, random);
            long start = Math.min(end, bound(bitmap.geometry(), shape, random));
            for (Selection selection : Selection.values()) {
                BitSource source = Extents.patient(bitmap.reader());
                List<Extent> all =
                        Extents.all(
                                shape.extents(
                                        source,
                                        bitmap.geometry(),
                                        selection,
                                        start,
                                        end,
                                        BitmapReader.MAX_PIECE));
                for (int from = 0; from < all.size(); from += 1 + random.nextInt(all.size())) {
                    assertThat(
                                    Extents.all(
                                            shape.extents(
                                                    source,
                                                    bitmap.geometry(),
                                                    selection,
                                                    all.get(from).offset(),
                                                    end,
                                                    BitmapReader.MAX_PIECE)))
                            .as("%s %s %s from %d", bitmap, shape, selection, from)
                            .isEqualTo(all.subList(from, all.size()));
                }
            }
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void isExactOnlyIfNothingCanGrow(long seed) throws IOException {
        Random random = new Random(seed);
        for (int i = 0; i < 10 * BITMAPS_A_SEED; i++) {
            RandomBitmap bitmap = RandomBitmap.of(geometry(random), random);
            Shape shape = shape(bitmap.geometry(), random);
            if (shape.isExact(bitmap.geometry().granularity())) {
                assertThat(widened(bitmap, shape))
                        .as("%s %s", bitmap, shape)
                        .isEqualTo(widened(bitmap, Shape.EXACT));
            }
        }
    }

    @Test
    void aDiskOfNoSizeHasNothing() throws IOException {
        Geometry geometry = new Geometry(0, 16, 16);
        BitSource none =
                (bit, run) -> {
                    throw new IOException("there is nothing to read");
                };
        Shape shape = new Shape(1L << 62, Long.MAX_VALUE, 1);

        for (Selection selection : Selection.values()) {
            assertThat(
                            Extents.all(
                                    shape.extents(
                                            none,
                                            geometry,
                                            selection,
                                            0,
                                            0,
                                            BitmapReader.MAX_PIECE)))
                    .isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0, 1",
        "3, 0, 1",
        "-1, 0, 1",
        "-9223372036854775808, 0, 1",
        "1, -1, 1",
        "1, 0, 0",
        "1, 0, -1"
    })
    void refusesWhatHasNoMeaning(long align, long gap, long maxLength) {
        assertThatThrownBy(() -> new Shape(align, gap, maxLength))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
