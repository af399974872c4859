package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.http.LineBuffer.Allocations;
import dev.dirtymap.http.LineBuffer.Constant;
import dev.dirtymap.http.LineBuffer.Rest;
import dev.dirtymap.qcow2.Allocation;
import java.io.IOException;
import java.io.OutputStream;
import tools.jackson.databind.node.ObjectNode;

/// Offset and length on a line: as CSV with a row of names, or with a space between, for shell loops. With
/// both dirty and clean extents, each line says which, and of a map what is there. What is no extent begins
/// with `#`.
final class LineWriter extends ExtentWriter {

    private static final Constant DIRTY = Constant.of("dirty");
    private static final Constant CLEAN = Constant.of("clean");

    private static final Constant ZERO = Constant.of("zero");
    private static final Constant DATA = Constant.of("data");

    private static final Allocations ALLOCATIONS = Allocations.in("%s");

    private final LineBuffer lines;
    private final boolean csv;
    private final char separator;
    private final Rest rest;
    private final Columns columns;

    /// What a line has beyond offset and length.
    ///
    /// @param state `dirty` or `clean`
    /// @param map allocation, `zero` or `data`, and the host offset, empty or `-` if there is none
    /// @param depth the depth of the map
    record Columns(boolean state, boolean map, boolean depth) {

        String names() {
            return "offset,length%s%s%s\n"
                    .formatted(
                            state ? ",state" : "",
                            map ? ",allocation,reads,hostOffset" : "",
                            depth ? ",depth" : "");
        }
    }

    LineWriter(OutputStream out, boolean csv, Columns columns) {
        this.lines = new LineBuffer(out);
        this.csv = csv;
        this.separator = csv ? ',' : ' ';
        this.rest = new Rest(separator + "%d\n");
        this.columns = columns;
    }

    @Override
    void head(ObjectNode head) throws IOException {
        if (csv) {
            lines.putText(columns.names());
        }
    }

    @Override
    void extent(ExtentBody extent) throws IOException {
        lines.makeRoom();
        lines.put(extent.offset());
        Allocation allocation = extent.allocation();
        if (allocation == null && extent.dirty() == null && lines.put(rest, extent.length())) {
            return;
        }
        lines.put(separator);
        lines.put(extent.length());
        if (extent.dirty() != null) {
            lines.put(separator);
            lines.put(extent.dirty() ? DIRTY : CLEAN);
        }
        if (allocation != null) {
            putMap(extent, allocation);
        }
        lines.put('\n');
    }

    private void putMap(ExtentBody extent, Allocation allocation) {
        lines.put(separator);
        lines.put(ALLOCATIONS.of(allocation));
        lines.put(separator);
        lines.put(Boolean.TRUE.equals(extent.zero()) ? ZERO : DATA);
        lines.put(separator);
        if (extent.hostOffset() >= 0) {
            lines.put(extent.hostOffset());
        } else if (!csv) {
            lines.put('-');
        }
        if (extent.depth() != null) {
            lines.put(separator);
            lines.put(extent.depth());
        }
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
