package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.images.Id;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// A list of extents that was opened: of one content, to be told in any format.
///
/// @param image whose it is
/// @param subject what it is of, as a digest
/// @param fingerprint which content, as a digest
/// @param granularity the least bytes that an extent of the list can begin or end at
/// @param columns what lines of text have beyond offset and length
/// @param head makes a page that says all but the extents
/// @param extents begins with the first extent at or after [ExtentWindow#next]
record Listing(
        Id image,
        String subject,
        String fingerprint,
        long virtualSize,
        long granularity,
        Columns columns,
        Head head,
        Extents extents) {

    /// Says what lines of text have.
    @FunctionalInterface
    interface Columns {
        LineWriter.Columns of(ExtentWindow window);
    }

    /// Makes a page without extents.
    @FunctionalInterface
    interface Head {
        ExtentPage of(ExtentWindow window);
    }

    /// Starts the extents of a window.
    @FunctionalInterface
    interface Extents {
        /// Starts them.
        ///
        /// @param maxPiece bytes of bits to hold at once
        Bodies within(ExtentWindow window, int maxPiece) throws IOException;
    }

    /// The extents of a window, one after the other.
    @FunctionalInterface
    interface Bodies {
        /// The next one; null after the last.
        @Nullable ExtentBody next() throws IOException;
    }
}
