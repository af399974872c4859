package dev.dirtymap.qcow2;

import java.io.IOException;

/// How much of a disk is dirty.
///
/// @param dirtyBytes guest bytes, the last granule counted only as far as the disk goes
/// @param dirtyExtents maximal runs of dirty granules
public record Totals(long dirtyBytes, long dirtyExtents) {

    /// Counts all bits of a bitmap, a word at a time.
    public static Totals of(ExtentScanner.BitSource source, Geometry geometry) throws IOException {
        BitRun run = new BitRun(BitmapReader.MAX_PIECE);
        long bits = geometry.bits();
        long dirty = 0;
        long extents = 0;
        // The bit before the current one; in the end, the last bit.
        long carry = 0;
        for (long bit = 0; bit < bits; bit = run.end()) {
            source.read(bit, run);
            switch (run.kind()) {
                case ZEROS -> carry = 0;
                case ONES -> {
                    dirty += run.end() - run.start();
                    extents += carry == 0 ? 1 : 0;
                    carry = 1;
                }
                case MIXED -> {
                    int words = (int) ((run.end() - run.start() + 63) >>> 6);
                    for (int i = 0; i < words; i++) {
                        long word = run.get(i);
                        dirty += Long.bitCount(word);
                        // An extent begins at each set bit whose predecessor is clear.
                        extents += Long.bitCount(word & ~(word << 1 | carry));
                        carry = word >>> 63;
                    }
                    if ((run.end() & 63) != 0) {
                        carry = run.get(words - 1) >>> (run.end() - 1) & 1;
                    }
                }
            }
        }
        long dirtyBytes = dirty << geometry.granularityBits();
        if (carry != 0 && bits > 0) {
            // The last granule is dirty, and the disk may end inside it.
            dirtyBytes -= (bits << geometry.granularityBits()) - geometry.virtualSize();
        }
        return new Totals(dirtyBytes, extents);
    }
}
