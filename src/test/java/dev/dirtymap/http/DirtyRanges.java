package dev.dirtymap.http;

import dev.dirtymap.testimages.Range;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/// What QEMU calls dirty on one disk, cut and turned into every form in which the service may tell it.
/// Reckoned from the ranges alone.
///
/// @param virtualSize of the disk in bytes
/// @param dirty ascending, maximal
record DirtyRanges(long virtualSize, List<Range> dirty) {

    DirtyRanges {
        dirty = List.copyOf(dirty);
    }

    /// The extents of a page, in the same terms as [#within].
    ///
    /// @param state the `state` that was asked for
    static List<Range> of(JsonNode page, String state) {
        List<Range> extents = new ArrayList<>();
        for (JsonNode extent : page.path("extents")) {
            if (extent.has("dirty") != state.equals("ALL")) {
                throw new AssertionError("dirty goes with state=ALL, but was " + extent);
            }
            extents.add(
                    new Range(
                            extent.path("offset").asLong(),
                            extent.path("length").asLong(),
                            extent.has("dirty")
                                    ? extent.path("dirty").asBoolean()
                                    : state.equals("DIRTY")));
        }
        return extents;
    }

    /// The whole disk, dirty and clean ranges by turns.
    List<Range> all() {
        List<Range> all = new ArrayList<>();
        long at = 0;
        for (Range range : dirty) {
            if (range.offset() > at) {
                all.add(new Range(at, range.offset() - at, false));
            }
            all.add(range);
            at = range.end();
        }
        if (at < virtualSize) {
            all.add(new Range(at, virtualSize - at, false));
        }
        return all;
    }

    /// The ranges of one state in a window, clipped to it.
    ///
    /// @param state `DIRTY`, `CLEAN` or `ALL`
    List<Range> within(String state, long from, long to) {
        List<Range> clipped = new ArrayList<>();
        for (Range range : all()) {
            long start = Math.max(from, range.offset());
            long end = Math.min(to, range.end());
            boolean wanted = state.equals("ALL") || range.dirty() == state.equals("DIRTY");
            if (wanted && start < end) {
                clipped.add(new Range(start, end - start, range.dirty()));
            }
        }
        return clipped;
    }

    long dirtyBytes() {
        return dirty.stream().mapToLong(Range::length).sum();
    }

    /// How many bytes the bits fill.
    long bitBytes(long granularity) {
        long bits = Math.ceilDiv(virtualSize, granularity);
        return Math.ceilDiv(bits, 8);
    }

    /// Some of these bytes: bit n % 8 of byte n / 8, from the least significant, for granule n.
    byte[] bits(long granularity, long fromByte, long toByte) {
        byte[] bytes = new byte[Math.toIntExact(toByte - fromByte)];
        for (Range range : dirty) {
            long first = Math.max(range.offset() / granularity, fromByte * 8);
            long end = Math.min(Math.ceilDiv(range.end(), granularity), toByte * 8);
            for (long bit = first; bit < end; bit++) {
                bytes[(int) (bit / 8 - fromByte)] |= (byte) (1 << (bit % 8));
            }
        }
        return bytes;
    }
}
