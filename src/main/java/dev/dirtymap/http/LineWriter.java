package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import java.io.IOException;
import java.io.OutputStream;
import tools.jackson.databind.node.ObjectNode;

/// Offset and length on a line: as CSV with a row of names, or with a space between, for shell loops. With
/// both dirty and clean extents, each line says which. What is no extent begins with `#`.
final class LineWriter extends ExtentWriter {

    private static final byte[] DIRTY = "dirty".getBytes(US_ASCII);
    private static final byte[] CLEAN = "clean".getBytes(US_ASCII);

    private final LineBuffer lines;
    private final boolean csv;
    private final char separator;
    private final boolean withState;

    /// @param withState whether the extents say if they are dirty
    LineWriter(OutputStream out, boolean csv, boolean withState) {
        this.lines = new LineBuffer(out);
        this.csv = csv;
        this.separator = csv ? ',' : ' ';
        this.withState = withState;
    }

    @Override
    void head(ObjectNode head) throws IOException {
        if (csv) {
            lines.putText(withState ? "offset,length,state\n" : "offset,length\n");
        }
    }

    @Override
    void extent(ExtentBody extent) throws IOException {
        lines.makeRoom();
        lines.put(extent.offset());
        lines.put(separator);
        lines.put(extent.length());
        if (extent.dirty() != null) {
            lines.put(separator);
            lines.put(extent.dirty() ? DIRTY : CLEAN);
        }
        lines.put('\n');
    }

    @Override
    void end(End end) throws IOException {
        lines.putText(
                end.complete()
                        ? "# complete extents=%d dirtyBytes=%d\n"
                                .formatted(end.extentCount(), end.dirtyBytes())
                        : "# limit extents=%d dirtyBytes=%d nextCursor=%s\n"
                                .formatted(end.extentCount(), end.dirtyBytes(), end.nextCursor()));
    }

    @Override
    void failed(ObjectNode problem, long resumeOffset) throws IOException {
        lines.putText(
                "# error %s resumeOffset=%d\n"
                        .formatted(problem.path("type").asString(), resumeOffset));
    }

    @Override
    void flush() throws IOException {
        lines.flush();
    }
}
