package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import java.io.IOException;
import java.io.OutputStream;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.cbor.CBORMapper;

/// One object of indefinite length, with the members of a page (RFC 8949): cut anywhere, it is no object.
final class CborWriter extends ExtentWriter {

    private static final CBORMapper MAPPER = new CBORMapper();

    private final JsonGenerator out;

    CborWriter(OutputStream out) {
        this.out = MAPPER.createGenerator(out);
    }

    @Override
    void head(ObjectNode head) throws IOException {
        out.writeStartObject();
        for (var member : head.properties()) {
            member(member.getKey(), member.getValue());
        }
        out.writeName("extents");
        out.writeStartArray();
    }

    private void member(String name, JsonNode value) {
        out.writeName(name);
        out.writeTree(value);
    }

    @Override
    void extent(ExtentBody extent) throws IOException {
        out.writeStartObject();
        out.writeName("offset");
        out.writeNumber(extent.offset());
        out.writeName("length");
        out.writeNumber(extent.length());
        if (extent.dirty() != null) {
            out.writeName("dirty");
            out.writeBoolean(extent.dirty());
        }
        if (extent.allocation() != null) {
            writeMap(extent);
        }
        out.writeEndObject();
    }

    private void writeMap(ExtentBody extent) {
        out.writeName("allocation");
        out.writeString(String.valueOf(extent.allocation()));
        out.writeName("zero");
        out.writeBoolean(Boolean.TRUE.equals(extent.zero()));
        if (extent.depth() != null) {
            out.writeName("depth");
            out.writeNumber(extent.depth());
        }
        if (extent.compressed() != null) {
            out.writeName("compressed");
            out.writeBoolean(true);
        }
        if (extent.hostOffset() >= 0) {
            out.writeName("hostOffset");
            out.writeNumber(extent.hostOffset());
        }
    }

    @Override
    void end(End end) throws IOException {
        out.writeEndArray();
        out.writeName("complete");
        out.writeBoolean(end.complete());
        if (!end.complete()) {
            out.writeName("nextCursor");
            out.writeString(end.nextCursor());
        }
        out.writeName("extentCount");
        out.writeNumber(end.extentCount());
        out.writeName("dirtyBytes");
        out.writeNumber(end.dirtyBytes());
        out.writeEndObject();
    }

    @Override
    void failed(ObjectNode problem, long resumeOffset) throws IOException {
        out.writeEndArray();
        out.writeName("complete");
        out.writeBoolean(false);
        member("problem", problem);
        out.writeName("resumeOffset");
        out.writeNumber(resumeOffset);
        out.writeEndObject();
    }

    @Override
    void flush() throws IOException {
        out.flush();
    }
}
