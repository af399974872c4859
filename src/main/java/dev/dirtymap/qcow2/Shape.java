package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// How extents are to be drawn: coarser than the bits say, or in shorter parts. Coarser always means that more
/// is dirty and less is clean.
///
/// @param align dirty extents grow outward to multiples of this many bytes and are joined: a power of two; 1 for
///     no growth
/// @param gap dirty extents are joined over clean bytes that are fewer than this
/// @param maxLength longer extents are split, counted from where each begins in the window;
///     [Long#MAX_VALUE] for never
public record Shape(long align, long gap, long maxLength) {

    /// As the bits say.
    public static final Shape EXACT = new Shape(1, 0, Long.MAX_VALUE);

    public Shape {
        if (Long.bitCount(align) != 1 || align < 0 || gap < 0 || maxLength < 1) {
            throw new IllegalArgumentException(
                    "align must be a power of two, gap not negative and maxLength positive, but were %d, %d and %d"
                            .formatted(align, gap, maxLength));
        }
    }

    /// Whether it leaves the set of dirty bytes as it is, for a bitmap of this granularity: what is clean
    /// between two dirty extents is whole granules, so a smaller gap joins nothing.
    public boolean isExact(long granularity) {
        return align <= granularity && gap <= granularity;
    }

    /// The extents of a window in this shape. What the window shows is what the whole disk would show there: a
    /// dirty extent outside it that grows into it is seen.
    ///
    /// @param windowStart the first guest byte of interest
    /// @param windowEnd the guest byte after the last, at most the virtual size
    /// @param maxPiece bytes of bits to hold at once ([ExtentScanner])
    public ExtentSource extents(
            ExtentScanner.BitSource bits,
            Geometry geometry,
            ExtentScanner.Selection selection,
            long windowStart,
            long windowEnd,
            int maxPiece) {
        ExtentSource whole;
        if (isExact(geometry.granularity()) || windowStart >= windowEnd) {
            whole = new ExtentScanner(bits, geometry, selection, windowStart, windowEnd, maxPiece);
        } else {
            whole = widened(bits, geometry, selection, windowStart, windowEnd, maxPiece);
        }
        return maxLength == Long.MAX_VALUE ? whole : split(whole);
    }

    private ExtentSource widened(
            ExtentScanner.BitSource bits,
            Geometry geometry,
            ExtentScanner.Selection selection,
            long windowStart,
            long windowEnd,
            int maxPiece) {
        long size = geometry.virtualSize();
        long from = down(Math.max(0, windowStart - gap));
        long to = up(gap > size - windowEnd ? size : windowEnd + gap, size);
        ExtentScanner scanner =
                new ExtentScanner(
                        bits, geometry, ExtentScanner.Selection.DIRTY, from, to, maxPiece);
        WidenedExtents dirty =
                new WidenedExtents(
                        () -> {
                            Extent found = scanner.next();
                            if (found == null) {
                                return null;
                            }
                            long start = down(found.offset());
                            return new Extent(start, up(found.end(), size) - start, true);
                        },
                        gap,
                        windowStart,
                        windowEnd);
        return switch (selection) {
            case DIRTY -> dirty;
            case CLEAN, ALL ->
                    new Complement(
                            dirty,
                            selection == ExtentScanner.Selection.ALL,
                            windowStart,
                            windowEnd);
        };
    }

    private long down(long offset) {
        return offset & -align;
    }

    private long up(long offset, long size) {
        long down = offset & -align;
        return down == offset ? offset : align > size - down ? size : down + align;
    }

    private ExtentSource split(ExtentSource whole) {
        return new ExtentSource() {
            private @Nullable Extent rest;

            @Override
            public @Nullable Extent next() throws IOException {
                Extent extent = rest == null ? whole.next() : rest;
                if (extent == null || extent.length() <= maxLength) {
                    rest = null;
                    return extent;
                }
                rest =
                        new Extent(
                                extent.offset() + maxLength,
                                extent.length() - maxLength,
                                extent.dirty());
                return new Extent(extent.offset(), maxLength, extent.dirty());
            }
        };
    }
}
