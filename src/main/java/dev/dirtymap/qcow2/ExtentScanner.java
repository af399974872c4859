package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Walks the extents of a window of the disk, in order. Holds one run of bits at a time and where some hundred extents
/// begin and end, and reads nothing before the window: a start in the middle costs what follows it. It reads ahead
/// of what it tells, but hardly more than it has told about.
public final class ExtentScanner implements ExtentSource {

    /// Where the bits come from.
    @FunctionalInterface
    public interface BitSource {
        /// Fills `run` from one bit on ([BitmapReader#read]), up to a multiple of 64 or the end of the bitmap.
        ///
        /// @param bit a multiple of 64
        void read(long bit, BitRun run) throws IOException;

        /// Fills a run, and then from its end on more of them, while the taker asks for more and to go on is
        /// cheaper than to come again. If it throws, nothing of what was taken counts.
        ///
        /// @param bit a multiple of 64
        default void read(long bit, BitRun run, Taker taker) throws IOException {
            read(bit, run);
            taker.take(run);
        }
    }

    /// Takes runs as they are read. A lock may be held meanwhile, so it must not wait for anybody.
    @FunctionalInterface
    public interface Taker {
        /// Takes a run.
        ///
        /// @return what to fill with the bits after it; null if no more are wanted now
        @Nullable BitRun take(BitRun run);
    }

    /// Which extents are wanted.
    public enum Selection {
        DIRTY,
        CLEAN,
        ALL
    }

    /// Bytes of bits that every scan holds at least.
    public static final int FIRST_PIECE = 16 << 10;

    /// Bytes of bits after which a hold that found something is over, at most. A hold costs about what 128 KiB of bits
    /// cost, so that scarce extents need many pieces to a hold; but whoever wants one extent does not pay for
    /// many, so that the first holds are small.
    private static final int MAX_HOLD = 4 << 20;

    /// How many turns are kept, and up to 63 more.
    private static final int MAX_TURNS = 256;

    private final BitSource source;
    private final Geometry geometry;
    private final Selection selection;
    private final long windowStart;
    private final long windowEnd;
    private final long endBit;
    private final int maxPiece;
    private BitRun run = new BitRun(FIRST_PIECE);

    /// The bits that differ from the one before them, as far as they were looked for and not told yet. Words are
    /// not left half way, and one has 64 of them at most.
    private final long[] turns = new long[MAX_TURNS + Long.SIZE];

    private int told;
    private int found;

    /// The first bit not looked at.
    private long seen;

    /// The bit before it, 0 or 1; 0 where none was looked at.
    private long last;

    /// How many bytes of bits the next hold is for, and where it is over.
    private int hold = FIRST_PIECE;

    private long holdEnd;

    /// Where the next extent of any kind begins, and which kind.
    private long bit;

    private boolean dirty;

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
        this.seen = bit;
        this.endBit = windowStart >= windowEnd ? bit : geometry.firstBitFrom(windowEnd);
    }

    /// The next extent: maximal within the window and clipped to it.
    ///
    /// @return null after the last
    @Override
    public @Nullable Extent next() throws IOException {
        while (bit < endBit) {
            long end = turn();
            long start = bit;
            boolean state = dirty;
            bit = end;
            dirty = !state;
            if (start < end && isSelected(state)) {
                return extent(start, end, state);
            }
        }
        return null;
    }

    private boolean isSelected(boolean state) {
        return switch (selection) {
            case DIRTY -> state;
            case CLEAN -> !state;
            case ALL -> true;
        };
    }

    private Extent extent(long firstBit, long end, boolean state) {
        long start = Math.max(windowStart, geometry.guestOffset(firstBit));
        return new Extent(start, Math.min(windowEnd, geometry.guestOffset(end)) - start, state);
    }

    /// The next bit that differs from the one before it, of which the first is compared with a clean one; the end
    /// of the window if there is none.
    private long turn() throws IOException {
        while (told == found) {
            if (seen >= endBit) {
                return endBit;
            }
            told = 0;
            found = 0;
            if (seen < run.end()) {
                look(run);
            } else {
                read();
            }
        }
        return turns[told++];
    }

    private void read() throws IOException {
        long from = seen;
        long before = last;
        boolean read = false;
        holdEnd = from + hold * 8L;
        try {
            source.read(from & -64L, room(), this::take);
            if (seen <= from) {
                throw new IllegalStateException("no progress at bit " + from);
            }
            read = true;
        } finally {
            if (!read) {
                found = 0;
                seen = from;
                last = before;
                run.start(from);
            }
        }
        hold = Math.min(hold * 2, MAX_HOLD);
    }

    private @Nullable BitRun take(BitRun read) {
        look(read);
        boolean full = seen < read.end() || found >= MAX_TURNS;
        boolean enough = found > 0 && seen >= holdEnd;
        return full || enough || seen >= endBit ? null : room();
    }

    /// The first piece is small, as a page of a thousand extents needs little; whoever reads on gets large ones.
    private BitRun room() {
        if (run.bytes.length < maxPiece && run.start() != run.end()) {
            run = new BitRun(maxPiece);
        }
        return run;
    }

    /// Looks for turns until there is no room for more, or the run ends.
    private void look(BitRun bits) {
        if (bits.start() > seen || ((bits.end() & 63) != 0 && bits.end() < endBit)) {
            // What is said of the bits between would be wrong.
            throw new IllegalStateException(
                    "a run from bit %d to %d at bit %d".formatted(bits.start(), bits.end(), seen));
        }
        switch (bits.kind()) {
            case ZEROS -> pass(bits, 0);
            case ONES -> pass(bits, 1);
            case MIXED -> search(bits);
        }
    }

    private void pass(BitRun bits, long value) {
        if (last != value) {
            turns[found++] = seen;
            last = value;
        }
        seen = bits.end();
    }

    private void search(BitRun bits) {
        long end = Math.min(bits.end(), endBit);
        int count = found;
        long before = last;
        long at = seen & -64L;
        while (at < end && count < MAX_TURNS) {
            long word = bits.word(at);
            if (at < seen) {
                // What is before the first bit of interest turns nothing.
                long passed = (1L << seen) - 1;
                word = before == 0 ? word & ~passed : word | passed;
            }
            long turned = word ^ (word << 1 | before);
            if (turned == 0 && at >= seen) {
                long next = bits.next(at, before == 0);
                at = next < end ? next & -64L : end;
                continue;
            }
            if (end - at < Long.SIZE) {
                turned &= (1L << (end - at)) - 1;
            }
            before = word >>> 63;
            while (turned != 0) {
                turns[count++] = at + Long.numberOfTrailingZeros(turned);
                turned &= turned - 1;
            }
            at += Long.SIZE;
        }
        found = count;
        last = before;
        seen = Math.min(at, bits.end());
    }
}
