package dev.dirtymap.qcow2;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Ranges of a disk as a request names them: in any order, overlapping, not aligned to anything.
final class Ranges {

    private Ranges() {}

    /// The ranges in order, joined, and for cleaning shrunk to whole granules.
    static List<Extent> joined(List<Extent> ranges, Geometry geometry, boolean dirty) {
        List<Extent> sorted =
                ranges.stream()
                        .filter(range -> range.length() > 0)
                        .sorted(Comparator.comparingLong(Extent::offset))
                        .toList();
        List<Extent> joined = new ArrayList<>();
        for (Extent range : sorted) {
            Extent last = joined.isEmpty() ? null : joined.getLast();
            if (last != null && range.offset() <= last.end()) {
                long end = Math.max(last.end(), range.end());
                joined.set(
                        joined.size() - 1, new Extent(last.offset(), end - last.offset(), dirty));
            } else {
                joined.add(range);
            }
        }
        if (dirty) {
            return joined;
        }
        List<Extent> whole = new ArrayList<>();
        for (Extent range : joined) {
            long first = geometry.guestOffset(geometry.firstBitFrom(range.offset()));
            // The last granule ends where the disk does.
            long end =
                    range.end() == geometry.virtualSize()
                            ? range.end()
                            : geometry.guestOffset(geometry.bitOf(range.end()));
            if (first < end) {
                whole.add(new Extent(first, end - first, false));
            }
        }
        return whole;
    }
}
