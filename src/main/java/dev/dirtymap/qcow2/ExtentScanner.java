package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Walks the extents of a window of the disk, in order. Holds one run of bits at a time, and reads nothing
/// before the window: a start in the middle costs what follows it.
public final class ExtentScanner implements ExtentSource {

    /// Where the bits come from.
    @FunctionalInterface
    public interface BitSource {
        /// Fills `run` from one bit on ([BitmapReader#read]).
        ///
        /// @param bit a multiple of 64
        void read(long bit, BitRun run) throws IOException;
    }

    /// Which extents are wanted.
    public enum Selection {
        DIRTY,
        CLEAN,
        ALL
    }

    /// Bytes of bits that every scan holds at least.
    public static final int FIRST_PIECE = 16 << 10;

    private final BitSource source;
    private final Geometry geometry;
    private final Selection selection;
    private final long windowStart;
    private final long windowEnd;
    private final long endBit;
    private final int maxPiece;
    private BitRun run = new BitRun(FIRST_PIECE);
    private boolean grown;
    private long bit;

    /// @param windowStart the first guest byte of interest
    /// @param windowEnd the guest byte after the last, at most the virtual size
    public ExtentScanner(
            BitSource source,
            Geometry geometry,
            Selection selection,
            long windowStart,
            long windowEnd) {
        this(source, geometry, selection, windowStart, windowEnd, BitmapReader.MAX_PIECE);
    }

    /// @param maxPiece bytes of bits to hold at most, [#FIRST_PIECE] to [BitmapReader#MAX_PIECE]
    public ExtentScanner(
            BitSource source,
            Geometry geometry,
            Selection selection,
            long windowStart,
            long windowEnd,
            int maxPiece) {
        this.maxPiece = maxPiece;
        this.source = source;
        this.geometry = geometry;
        this.selection = selection;
        this.windowStart = windowStart;
        this.windowEnd = windowEnd;
        this.bit = geometry.bitOf(windowStart);
        this.endBit = windowStart >= windowEnd ? bit : geometry.firstBitFrom(windowEnd);
    }

    /// The next extent: maximal within the window and clipped to it.
    ///
    /// @return null after the last
    @Override
    public @Nullable Extent next() throws IOException {
        long first =
                switch (selection) {
                    case DIRTY -> find(bit, true);
                    case CLEAN -> find(bit, false);
                    case ALL -> bit;
                };
        if (first >= endBit) {
            bit = endBit;
            return null;
        }
        boolean dirty =
                switch (selection) {
                    case DIRTY -> true;
                    case CLEAN -> false;
                    case ALL -> isSet(first);
                };
        bit = find(first, !dirty);
        long start = Math.max(windowStart, geometry.guestOffset(first));
        long end = Math.min(windowEnd, geometry.guestOffset(bit));
        return new Extent(start, end - start, dirty);
    }

    /// The first bit at or after `from` that is set (or clear); the end of the window if there is none.
    private long find(long from, boolean set) throws IOException {
        while (from < endBit) {
            if (from < run.start() || from >= run.end()) {
                advance(from);
            }
            switch (run.kind()) {
                case ZEROS -> {
                    if (!set) {
                        return from;
                    }
                    from = run.end();
                }
                case ONES -> {
                    if (set) {
                        return from;
                    }
                    from = run.end();
                }
                case MIXED -> {
                    long found = run.next(from, set);
                    if (found < run.end()) {
                        return Math.min(found, endBit);
                    }
                    from = run.end();
                }
            }
        }
        return endBit;
    }

    private boolean isSet(long at) throws IOException {
        if (at < run.start() || at >= run.end()) {
            advance(at);
        }
        return run.isSet(at);
    }

    /// A page of a thousand extents needs little; whoever reads on gets larger pieces.
    private void advance(long from) throws IOException {
        if (!grown && run.start() != run.end() && maxPiece > FIRST_PIECE) {
            run = new BitRun(maxPiece);
            grown = true;
        }
        source.read(from & -64L, run);
        if (run.end() <= from) {
            throw new IllegalStateException("no progress at bit " + from);
        }
    }
}
