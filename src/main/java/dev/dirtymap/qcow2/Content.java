package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The bits that a bitmap shall have, said and not yet read: the union of bitmaps that are stored somewhere,
/// then some ranges set or cleared. That is all that clearing, copying and merging can come to, in any
/// number and order, so nothing in between is ever written. Immutable.
///
/// A set bit of a source stands for its granule, and in a coarser bitmap for the granule around that one
/// (as QEMU rounds, `hbitmap_merge`). A bitmap that was merged through a coarse one is as coarse from then
/// on; through several, as the coarsest, because granules are powers of two.
final class Content {

    /// Bits that are stored somewhere. Two are the same only if they are the same object.
    static final class Source {

        private final BitSource bits;
        private final Geometry geometry;

        Source(BitSource bits, Geometry geometry) {
            this.bits = bits;
            this.geometry = geometry;
        }

        Geometry geometry() {
            return geometry;
        }
    }

    static final Content EMPTY = new Content(Map.of(), List.of(), true);

    /// With each source the granularity, in bits, that it has been rounded to.
    private final Map<Source, Integer> sources;

    private final List<Extent> marked;
    private final boolean markedDirty;

    private Content(Map<Source, Integer> sources, List<Extent> marked, boolean markedDirty) {
        this.sources = sources;
        this.marked = marked;
        this.markedDirty = markedDirty;
    }

    static Content of(Source source) {
        return new Content(Map.of(source, source.geometry.granularityBits()), List.of(), true);
    }

    /// Whether this is what the bitmap of that source has already.
    boolean isJust(Source source) {
        return marked.isEmpty() && sources.equals(of(source).sources);
    }

    /// How many bitmaps it is the union of.
    int sourceCount() {
        return sources.size();
    }

    /// This and what another bitmap has.
    ///
    /// @param granularityBits those of the other bitmap
    Content union(Content other, int granularityBits) {
        if (!marked.isEmpty() || !other.marked.isEmpty()) {
            throw new IllegalStateException("ranges are marked last");
        }
        if (sources.isEmpty()
                && other.sources.values().stream().allMatch(bits -> bits >= granularityBits)) {
            return other;
        }
        Map<Source, Integer> all = new LinkedHashMap<>(sources);
        other.sources.forEach(
                (source, bits) -> all.merge(source, Math.max(bits, granularityBits), Math::max));
        return new Content(all, List.of(), true);
    }

    /// This with ranges set, or cleared.
    ///
    /// @param ranges ascending, not touching each other; whole granules where they are cleared
    Content mark(List<Extent> ranges, boolean dirty) {
        if (!marked.isEmpty()) {
            throw new IllegalStateException("ranges are marked once");
        }
        return new Content(sources, List.copyOf(ranges), dirty);
    }

    /// What one cluster of bits comes to.
    enum Kind {
        /// What the bitmap has there already.
        KEPT,
        ZEROS,
        ONES,
        /// Anything else: bits to be written.
        MIXED
    }

    /// Sees the clusters of bits in order.
    @FunctionalInterface
    interface Visitor {
        /// Sees one cluster.
        ///
        /// @param index which entry of the bitmap table
        /// @param bits valid for [Kind#MIXED], until this returns
        void cluster(long index, Kind kind, ClusterBits bits) throws IOException;
    }

    /// Works out all clusters of bits.
    ///
    /// @param geometry of the bitmap that shall have this content
    /// @param own what that bitmap has now, if it is stored with this very geometry: clusters to which nothing
    ///     is added are kept
    void evaluate(Geometry geometry, @Nullable Source own, Visitor visitor) throws IOException {
        Evaluation evaluation = new Evaluation(geometry, own);
        for (long index = 0; index < geometry.tableSize(); index++) {
            Kind kind = evaluation.cluster(index);
            visitor.cluster(index, kind, evaluation.bits);
        }
    }

    /// Works out what all clusters come to, and reads no more than it takes to know.
    ///
    /// @param visitor the bits that it gets mean nothing
    void kinds(Geometry geometry, @Nullable Source own, Visitor visitor) throws IOException {
        Evaluation evaluation = new Evaluation(geometry, own);
        for (long index = 0; index < geometry.tableSize(); index++) {
            Kind kind = evaluation.isMixedAtOnce(index) ? Kind.MIXED : evaluation.cluster(index);
            visitor.cluster(index, kind, evaluation.bits);
        }
    }

    /// One walk over the clusters of a bitmap that shall have this content.
    private final class Evaluation {

        /// The first bits of a cluster, which mostly are a sample of all: as many as a source reads at once.
        private static final int SAMPLE = ExtentScanner.FIRST_PIECE * Byte.SIZE;

        final ClusterBits bits;
        private final Geometry geometry;
        private final boolean keeps;
        private final List<BitCursor> others = new ArrayList<>();
        private final @Nullable BitCursor base;
        private final BitCursor marks;

        Evaluation(Geometry geometry, @Nullable Source own) throws IOException {
            this.geometry = geometry;
            this.bits = new ClusterBits(1 << geometry.clusterBits());
            this.keeps = own != null && sources.containsKey(own);
            for (Map.Entry<Source, Integer> source : sources.entrySet()) {
                if (!keeps
                        || source.getKey() != own
                        || source.getValue() > geometry.granularityBits()) {
                    others.add(cursor(source.getKey(), source.getValue(), geometry));
                }
            }
            this.base = keeps && own != null ? BitCursor.aligned(own.bits) : null;
            this.marks = BitCursor.ranges(marked, geometry);
        }

        private long start(long index) {
            return index * geometry.bitsPerCluster();
        }

        private long end(long index) {
            return Math.min(geometry.bits(), start(index) + geometry.bitsPerCluster());
        }

        private boolean addOthers(long from, long to) throws IOException {
            bits.reset();
            boolean added = false;
            for (BitCursor other : others) {
                added |= other.set(bits, from, to);
            }
            return added;
        }

        /// Whether the first bits say that the cluster has to be written. Says no where it would take more than a
        /// second look at them.
        boolean isMixedAtOnce(long index) throws IOException {
            long from = start(index);
            long to = from + SAMPLE;
            if (to >= end(index)
                    || !marked.isEmpty()
                    || !others.stream().allMatch(BitCursor::goesBack)) {
                return false;
            }
            boolean added = addOthers(from, to);
            if (keeps && !added) {
                return false;
            }
            if (base != null) {
                base.set(bits, from, to);
            }
            return bits.isMixed(SAMPLE);
        }

        Kind cluster(long index) throws IOException {
            long from = start(index);
            long to = end(index);
            boolean added = addOthers(from, to);
            if (markedDirty) {
                added |= marks.set(bits, from, to);
            }
            boolean cleared = !markedDirty && marks.reaches(from, to);
            if (!added && !cleared && keeps) {
                return Kind.KEPT;
            }
            if (base != null) {
                base.set(bits, from, to);
            }
            if (cleared) {
                marks.clear(bits, from, to);
            }
            if (bits.isZero()) {
                return Kind.ZEROS;
            }
            return to - from == geometry.bitsPerCluster() && bits.isOnes() ? Kind.ONES : Kind.MIXED;
        }
    }

    private static BitCursor cursor(Source source, int granularityBits, Geometry target)
            throws IOException {
        return source.geometry.granularityBits() == target.granularityBits()
                        && granularityBits <= target.granularityBits()
                ? BitCursor.aligned(source.bits)
                : BitCursor.rounded(source.bits, source.geometry, granularityBits, target);
    }
}
