package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.http.LineBuffer.Allocations;
import dev.dirtymap.http.LineBuffer.Constant;
import dev.dirtymap.http.LineBuffer.Rest;
import dev.dirtymap.qcow2.Allocation;
import java.io.IOException;
import java.io.OutputStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// One JSON object a line.
final class NdjsonWriter extends ExtentWriter {

    private static final Constant OFFSET = Constant.of("{\"offset\":");
    private static final Constant LENGTH = Constant.of(",\"length\":");
    private static final Constant DIRTY = Constant.of(",\"dirty\":true");
    private static final Constant CLEAN = Constant.of(",\"dirty\":false");
    private static final Allocations ZEROS = Allocations.in(",\"allocation\":\"%s\",\"zero\":true");
    private static final Allocations NO_ZEROS =
            Allocations.in(",\"allocation\":\"%s\",\"zero\":false");
    private static final Constant DEPTH = Constant.of(",\"depth\":");
    private static final Constant COMPRESSED = Constant.of(",\"compressed\":true");
    private static final Constant HOST_OFFSET = Constant.of(",\"hostOffset\":");
    private static final Constant END = Constant.of("}\n");

    private final LineBuffer lines;
    private final Rest rest = new Rest(",\"length\":%d}\n");
    private final JsonMapper mapper;

    NdjsonWriter(OutputStream out, JsonMapper mapper) {
        this.lines = new LineBuffer(out);
        this.mapper = mapper;
    }

    private void record(String kind, ObjectNode members) throws IOException {
        ObjectNode record = mapper.createObjectNode().put("record", kind);
        record.setAll(members);
        lines.putText(mapper.writeValueAsString(record) + "\n");
    }

    @Override
    void head(ObjectNode head) throws IOException {
        record("header", head);
    }

    @Override
    void extent(ExtentBody extent) throws IOException {
        lines.makeRoom();
        lines.put(OFFSET);
        lines.put(extent.offset());
        Allocation allocation = extent.allocation();
        if (allocation == null && extent.dirty() == null && lines.put(rest, extent.length())) {
            return;
        }
        lines.put(LENGTH);
        lines.put(extent.length());
        if (extent.dirty() != null) {
            lines.put(extent.dirty() ? DIRTY : CLEAN);
        }
        if (allocation != null) {
            putMap(extent, allocation);
        }
        lines.put(END);
    }

    private void putMap(ExtentBody extent, Allocation allocation) {
        lines.put((Boolean.TRUE.equals(extent.zero()) ? ZEROS : NO_ZEROS).of(allocation));
        if (extent.depth() != null) {
            lines.put(DEPTH);
            lines.put(extent.depth());
        }
        if (extent.compressed() != null) {
            lines.put(COMPRESSED);
        }
        if (extent.hostOffset() >= 0) {
            lines.put(HOST_OFFSET);
            lines.put(extent.hostOffset());
        }
    }

    @Override
    void end(End end) throws IOException {
        ObjectNode members = mapper.createObjectNode().put("complete", end.complete());
        if (!end.complete()) {
            members.put("nextCursor", end.nextCursor());
        }
        record(
                "end",
                members.put("extentCount", end.extentCount()).put("dirtyBytes", end.dirtyBytes()));
    }

    @Override
    void failed(ObjectNode problem, long resumeOffset) throws IOException {
        ObjectNode members = mapper.createObjectNode();
        members.set("problem", problem);
        record("error", members.put("resumeOffset", resumeOffset));
    }

    @Override
    void flush() throws IOException {
        lines.flush();
    }
}
