package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Extents in ascending order, none overlapping another, found one after the other.
@FunctionalInterface
public interface ExtentSource {

    /// The next extent; null after the last.
    @Nullable Extent next() throws IOException;
}
