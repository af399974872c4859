package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Dirty extents that may touch or overlap each other, joined where they do or nearly do, and clipped to a
/// window.
final class WidenedExtents implements ExtentSource {

    private final ExtentSource parts;
    private final long gap;
    private final long windowStart;
    private final long windowEnd;
    private @Nullable Extent pending;
    private boolean ended;

    /// @param parts ascending by where they start, and by where they end
    /// @param gap they are joined over fewer bytes than this
    WidenedExtents(ExtentSource parts, long gap, long windowStart, long windowEnd) {
        this.parts = parts;
        this.gap = gap;
        this.windowStart = windowStart;
        this.windowEnd = windowEnd;
    }

    @Override
    public @Nullable Extent next() throws IOException {
        while (!ended) {
            Extent joined = joined();
            // What follows cannot be seen, and with a large gap there may be much of it.
            ended = joined == null || joined.end() >= windowEnd;
            if (joined == null || joined.offset() >= windowEnd) {
                return null;
            }
            long start = Math.max(joined.offset(), windowStart);
            long end = Math.min(joined.end(), windowEnd);
            if (start < end) {
                return new Extent(start, end - start, true);
            }
        }
        return null;
    }

    private @Nullable Extent joined() throws IOException {
        Extent first = pending == null ? parts.next() : pending;
        pending = null;
        if (first == null) {
            return null;
        }
        long end = first.end();
        while (end < windowEnd) {
            Extent part = parts.next();
            if (part == null) {
                break;
            }
            if (part.offset() > end && part.offset() - end >= gap) {
                pending = part;
                break;
            }
            end = Math.max(end, part.end());
        }
        return new Extent(first.offset(), end - first.offset(), true);
    }
}
