package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// What lies between dirty extents, as clean extents: alone, or with the dirty ones in their places.
final class Complement implements ExtentSource {

    private final ExtentSource dirty;
    private final boolean withDirty;
    private final long end;
    private long at;
    private @Nullable Extent pending;

    /// @param dirty within the window, none touching another
    Complement(ExtentSource dirty, boolean withDirty, long windowStart, long windowEnd) {
        this.dirty = dirty;
        this.withDirty = withDirty;
        this.at = windowStart;
        this.end = windowEnd;
    }

    @Override
    public @Nullable Extent next() throws IOException {
        while (at < end) {
            Extent found = pending == null ? dirty.next() : pending;
            pending = null;
            long start = found == null ? end : found.offset();
            if (start > at) {
                pending = found;
                Extent clean = new Extent(at, start - at, false);
                at = start;
                return clean;
            }
            if (found != null) {
                at = found.end();
                if (withDirty) {
                    return found;
                }
            }
        }
        return null;
    }
}
