package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/// A part of the disk for one of several workers (`api.md` 6.5).
///
/// @param offset of the first guest byte: the start of a granule
/// @param length in guest bytes, at least 1
/// @param dirtyBytes how many of them are dirty
public record Split(long offset, long length, long dirtyBytes) {

    /// The most parts that a disk is split into.
    public static final int MAX_COUNT = 1024;

    /// Splits a disk into parts that tile it and whose numbers of dirty granules differ by one at most. Each
    /// part but the first begins at a dirty granule. Reads the bits twice: once to count them.
    ///
    /// @param count how many parts at most, 1 to [#MAX_COUNT]; fewer if there are fewer dirty granules, and
    ///     one if nothing is dirty
    /// @return nothing only for a disk of no size
    public static List<Split> of(ExtentScanner.BitSource source, Geometry geometry, int count)
            throws IOException {
        if (count < 1 || count > MAX_COUNT) {
            throw new IllegalArgumentException(
                    "count must be 1 to %d, but was %d".formatted(MAX_COUNT, count));
        }
        long virtualSize = geometry.virtualSize();
        if (virtualSize == 0) {
            return List.of();
        }
        long dirtyBytes = Totals.of(source, geometry).dirtyBytes();
        // Only the last granule may be partial.
        long dirty = Math.ceilDiv(dirtyBytes, geometry.granularity());
        int parts = Math.clamp(dirty, 1, count);
        long[] starts = new Starts(dirty, parts).find(source, geometry);
        List<Split> splits = new ArrayList<>(parts);
        long told = 0;
        for (int i = 0; i < parts; i++) {
            boolean last = i == parts - 1;
            long end = last ? virtualSize : starts[i + 1];
            long granules = Starts.ordinal(dirty, parts, i + 1) - Starts.ordinal(dirty, parts, i);
            long share = last ? dirtyBytes - told : granules << geometry.granularityBits();
            splits.add(new Split(starts[i], end - starts[i], share));
            told += share;
        }
        return splits;
    }

    /// The guest bytes at which the parts begin.
    private static final class Starts {

        private final long dirty;
        private final int parts;
        private final long[] offsets;
        private int found = 1;

        /// Dirty granules before the current bit.
        private long passed;

        Starts(long dirty, int parts) {
            this.dirty = dirty;
            this.parts = parts;
            this.offsets = new long[parts];
        }

        /// Which of all dirty granules is a part's first, counted from 0: `floor(part * dirty / parts)`,
        /// which would not fit where both are large.
        static long ordinal(long dirty, int parts, int part) {
            return dirty / parts * part + dirty % parts * part / parts;
        }

        long[] find(ExtentScanner.BitSource source, Geometry geometry) throws IOException {
            BitRun run = new BitRun(BitmapReader.MAX_PIECE);
            for (long bit = 0; found < parts && bit < geometry.bits(); bit = run.end()) {
                source.read(bit, run);
                switch (run.kind()) {
                    case ZEROS -> {}
                    case ONES -> pass(run, geometry);
                    case MIXED -> {
                        for (long at = run.start(); at < run.end(); at += 64) {
                            pass(at, run.word(at), geometry);
                        }
                    }
                }
            }
            if (found < parts) {
                throw new IllegalStateException(
                        "%d of %d granules were dirty".formatted(passed, dirty));
            }
            return offsets;
        }

        private void pass(BitRun ones, Geometry geometry) {
            long count = ones.end() - ones.start();
            for (long next = next(); next < passed + count; next = next()) {
                offsets[found++] = geometry.guestOffset(ones.start() + next - passed);
            }
            passed += count;
        }

        private void pass(long at, long word, Geometry geometry) {
            int count = Long.bitCount(word);
            for (long next = next(); next < passed + count; next = next()) {
                // The n-th set bit of the word.
                long bit = Long.expand(1L << (next - passed), word);
                offsets[found++] = geometry.guestOffset(at + Long.numberOfTrailingZeros(bit));
            }
            passed += count;
        }

        private long next() {
            return found < parts ? ordinal(dirty, parts, found) : Long.MAX_VALUE;
        }
    }
}
