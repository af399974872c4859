package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import java.io.IOException;
import java.io.OutputStream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// One JSON object a line.
final class NdjsonWriter extends ExtentWriter {

    private static final byte[] OFFSET = "{\"offset\":".getBytes(US_ASCII);
    private static final byte[] LENGTH = ",\"length\":".getBytes(US_ASCII);
    private static final byte[] DIRTY = ",\"dirty\":true".getBytes(US_ASCII);
    private static final byte[] CLEAN = ",\"dirty\":false".getBytes(US_ASCII);
    private static final byte[] ALLOCATION = ",\"allocation\":\"".getBytes(US_ASCII);
    private static final byte[] ZERO = "\",\"zero\":true".getBytes(US_ASCII);
    private static final byte[] NO_ZERO = "\",\"zero\":false".getBytes(US_ASCII);
    private static final byte[] DEPTH = ",\"depth\":".getBytes(US_ASCII);
    private static final byte[] COMPRESSED = ",\"compressed\":true".getBytes(US_ASCII);
    private static final byte[] HOST_OFFSET = ",\"hostOffset\":".getBytes(US_ASCII);
    private static final byte[] END = "}\n".getBytes(US_ASCII);

    private final LineBuffer lines;
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
        lines.put(LENGTH);
        lines.put(extent.length());
        if (extent.dirty() != null) {
            lines.put(extent.dirty() ? DIRTY : CLEAN);
        }
        if (extent.allocation() != null) {
            putMap(extent);
        }
        lines.put(END);
    }

    private void putMap(ExtentBody extent) {
        lines.put(ALLOCATION);
        lines.put(LineBuffer.name(extent.allocation()));
        lines.put(Boolean.TRUE.equals(extent.zero()) ? ZERO : NO_ZERO);
        if (extent.depth() != null) {
            lines.put(DEPTH);
            lines.put(extent.depth());
        }
        if (extent.compressed() != null) {
            lines.put(COMPRESSED);
        }
        if (extent.hostOffset() != null) {
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
