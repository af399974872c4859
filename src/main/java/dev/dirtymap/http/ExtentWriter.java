package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import java.io.IOException;
import tools.jackson.databind.node.ObjectNode;

/// Writes a stream of extents: a head, the extents, and an end without which it is incomplete.
abstract sealed class ExtentWriter permits NdjsonWriter, LineWriter, CborWriter {

    /// The end of a stream.
    ///
    /// @param nextCursor where a stream with a limit goes on; empty if it is complete
    /// @param extentCount how many extents were written
    /// @param dirtyBytes guest bytes of those that are dirty
    record End(String nextCursor, long extentCount, long dirtyBytes) {

        boolean complete() {
            return nextCursor.isEmpty();
        }
    }

    /// @param head the members of a page that are known before its extents
    abstract void head(ObjectNode head) throws IOException;

    abstract void extent(ExtentBody extent) throws IOException;

    abstract void end(End end) throws IOException;

    /// Ends a stream that cannot be completed.
    ///
    /// @param resumeOffset the guest byte that the next extent would have begun at or after
    abstract void failed(ObjectNode problem, long resumeOffset) throws IOException;

    /// Passes on what is still held back.
    abstract void flush() throws IOException;
}
