package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Set bits of one source, asked for in ascending order, as the bitmap that takes them counts bits.
abstract sealed class BitCursor {

    /// Sets in a cluster what is set here.
    ///
    /// @param from the first bit of the cluster
    /// @param to the bit after the last that is of interest
    /// @return whether anything was set
    abstract boolean set(ClusterBits cluster, long from, long to) throws IOException;

    /// Whether bits may be asked for again.
    boolean goesBack() {
        return false;
    }

    /// Whether [#set] would set anything.
    boolean reaches(long from, long to) {
        throw new UnsupportedOperationException("only ranges are known beforehand");
    }

    /// Clears what is set here.
    void clear(ClusterBits cluster, long from, long to) {
        throw new UnsupportedOperationException("only ranges are cleared");
    }

    /// Bits that the taking bitmap counts in the same way.
    static BitCursor aligned(BitSource bits) {
        return new Aligned(bits);
    }

    /// Bits that stand for granules of another size.
    ///
    /// @param granularityBits what to round to before the taking bitmap rounds to its own
    static BitCursor rounded(
            BitSource bits, Geometry geometry, int granularityBits, Geometry target) {
        return new Spans(
                new ExtentScanner(
                                bits,
                                geometry,
                                Selection.DIRTY,
                                0,
                                geometry.virtualSize(),
                                ExtentScanner.FIRST_PIECE)
                        ::next,
                granularityBits,
                target);
    }

    /// Ranges of the disk, ascending.
    static BitCursor ranges(List<Extent> ranges, Geometry target) {
        var next = ranges.iterator();
        return new Spans(() -> next.hasNext() ? next.next() : null, 0, target);
    }

    /// Whole pieces of bits, or-ed byte by byte.
    private static final class Aligned extends BitCursor {

        private final BitSource source;
        private final BitRun run = new BitRun(ExtentScanner.FIRST_PIECE);

        Aligned(BitSource source) {
            this.source = source;
        }

        @Override
        boolean goesBack() {
            return true;
        }

        @Override
        boolean set(ClusterBits cluster, long from, long to) throws IOException {
            boolean any = false;
            long bit = from;
            while (bit < to) {
                if (bit < run.start() || bit >= run.end()) {
                    source.read(bit & -64L, run);
                }
                long end = Math.min(run.end(), to);
                switch (run.kind()) {
                    case ZEROS -> {}
                    case ONES -> {
                        cluster.set((int) (bit - from), (int) (end - from));
                        any = true;
                    }
                    case MIXED ->
                            any |=
                                    cluster.or(
                                            (int) (bit - from),
                                            run.bytes,
                                            (int) ((bit - run.start()) >>> 3),
                                            (int) ((end - bit + 7) >>> 3));
                }
                bit = end;
            }
            return any;
        }
    }

    /// Where extents come from, in ascending order; null after the last.
    @FunctionalInterface
    private interface Extents {
        @Nullable Extent next() throws IOException;
    }

    /// Extents, each widened to whole granules.
    private static final class Spans extends BitCursor {

        private final Extents extents;
        private final long granule;
        private final Geometry target;

        /// The bits of the current extent; empty before the first, beyond all after the last.
        private long start;

        private long end;

        Spans(Extents extents, int granularityBits, Geometry target) {
            this.extents = extents;
            this.granule = 1L << granularityBits;
            this.target = target;
        }

        @Override
        boolean set(ClusterBits cluster, long from, long to) throws IOException {
            boolean any = false;
            while (seek(from) && start < to) {
                cluster.set((int) (Math.max(start, from) - from), (int) (Math.min(end, to) - from));
                any = true;
                if (end > to) {
                    break;
                }
                end = from;
            }
            return any;
        }

        @Override
        boolean reaches(long from, long to) {
            try {
                return seek(from) && start < to;
            } catch (IOException e) {
                throw new IllegalStateException("ranges are in memory", e);
            }
        }

        @Override
        void clear(ClusterBits cluster, long from, long to) {
            while (reaches(from, to)) {
                cluster.clear(
                        (int) (Math.max(start, from) - from), (int) (Math.min(end, to) - from));
                if (end > to) {
                    break;
                }
                end = from;
            }
        }

        /// Goes on to the first extent that ends behind a bit.
        private boolean seek(long from) throws IOException {
            while (end <= from) {
                Extent extent = extents.next();
                if (extent == null) {
                    start = Long.MAX_VALUE;
                    end = Long.MAX_VALUE;
                    return false;
                }
                long first = extent.offset() & -granule;
                long last = Math.min(target.virtualSize(), (extent.end() + granule - 1) & -granule);
                start = target.bitOf(first);
                end = target.firstBitFrom(last);
            }
            return true;
        }
    }
}
