package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;

/// Where a disk is dirty, in slices of equal length (`api.md` 6.5).
///
/// @param bucketLength of each slice in guest bytes: a multiple of 512, which depends on the disk's size alone,
///     so that bitmaps of any granularity compare; the last slice may be shorter
/// @param dirtyBytes of each slice
public record Heatmap(long bucketLength, List<Long> dirtyBytes) {

    /// The most slices that a disk is cut into.
    public static final int MAX_BUCKETS = 4096;

    private static final int SECTOR_BITS = 9;

    public Heatmap {
        dirtyBytes = List.copyOf(dirtyBytes);
    }

    /// Counts all bits of a bitmap, a word at a time. A granule in two slices counts in each with its bytes
    /// there.
    ///
    /// @param buckets how many slices at most, 1 to [#MAX_BUCKETS]; fewer if fewer of that length cover
    ///     the disk
    public static Heatmap of(ExtentScanner.BitSource source, Geometry geometry, int buckets)
            throws IOException {
        if (buckets < 1 || buckets > MAX_BUCKETS) {
            throw new IllegalArgumentException(
                    "buckets must be 1 to %d, but was %d".formatted(MAX_BUCKETS, buckets));
        }
        long sectors = Math.ceilDiv(geometry.virtualSize(), 1L << SECTOR_BITS);
        long bucketLength = Math.max(1, Math.ceilDiv(sectors, buckets)) << SECTOR_BITS;
        Count count = new Count(geometry, bucketLength);
        count.add(source);
        return new Heatmap(bucketLength, Arrays.stream(count.dirtyBytes).boxed().toList());
    }

    private static final class Count {

        private final Geometry geometry;
        private final long bucketLength;
        private final long[] dirtyBytes;

        Count(Geometry geometry, long bucketLength) {
            this.geometry = geometry;
            this.bucketLength = bucketLength;
            this.dirtyBytes = new long[(int) Math.ceilDiv(geometry.virtualSize(), bucketLength)];
        }

        void add(ExtentScanner.BitSource source) throws IOException {
            BitRun run = new BitRun(BitmapReader.MAX_PIECE);
            for (long bit = 0; bit < geometry.bits(); bit = run.end()) {
                source.read(bit, run);
                switch (run.kind()) {
                    case ZEROS -> {}
                    case ONES -> add(run.start(), run.end());
                    case MIXED -> addMixed(run);
                }
            }
        }

        private void addMixed(BitRun run) {
            int bucket = 0;
            long bucketEnd = 0;
            // The last granule, which may be partial, is not for the fast way.
            long whole = Math.min(run.end(), geometry.bits() - 1);
            for (long at = run.start(); at < run.end(); at += 64) {
                long word = run.word(at);
                if (word == 0) {
                    continue;
                }
                long start = geometry.guestOffset(at);
                if (start >= bucketEnd) {
                    bucket = (int) (start / bucketLength);
                    bucketEnd = end(bucket);
                }
                if (at + 64 <= whole && geometry.guestOffset(at + 64) <= bucketEnd) {
                    dirtyBytes[bucket] += (long) Long.bitCount(word) << geometry.granularityBits();
                } else {
                    addOneByOne(at, word);
                }
            }
        }

        /// A word that lies in several slices: there are no more such words than slices.
        private void addOneByOne(long at, long word) {
            long left = word;
            while (left != 0) {
                int first = Long.numberOfTrailingZeros(left);
                int count = Long.numberOfTrailingZeros(~(left >>> first));
                add(at + first, at + first + count);
                left = first + count == 64 ? 0 : left & -1L << (first + count);
            }
        }

        /// Adds granules that are all dirty.
        private void add(long firstBit, long endBit) {
            long start = geometry.guestOffset(firstBit);
            long end = geometry.guestOffset(endBit);
            while (start < end) {
                int bucket = (int) (start / bucketLength);
                long stop = Math.min(end, end(bucket));
                dirtyBytes[bucket] += stop - start;
                start = stop;
            }
        }

        /// The guest byte after a slice's last.
        private long end(int bucket) {
            long start = bucket * bucketLength;
            long left = geometry.virtualSize() - start;
            return start + Math.min(bucketLength, left);
        }
    }
}
