package dev.dirtymap.bench;

import java.io.IOException;
import java.io.InputStream;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.json.JsonMapper;

/// What a list of ranges says, short enough to compare two lists of millions: ranges that touch are one.
///
/// @param ranges how many there are, of those that are dirty or have data
/// @param bytes in them
/// @param hash of where they begin and end, in order
record Listed(long ranges, long bytes, long hash) {

    /// Reads our NDJSON, the JSON of `nbdinfo --map`, or that of `qemu-img map`.
    ///
    /// @throws IOException if it is ours and does not end with the end record
    static Listed of(InputStream json) throws IOException {
        var reading = new Reading();
        try (JsonParser parser = JsonMapper.shared().createParser(json)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.START_OBJECT) {
                    reading.begin();
                } else if (token == JsonToken.END_OBJECT) {
                    reading.end();
                } else if (token.isScalarValue()) {
                    String name = parser.currentName();
                    if (name != null) {
                        reading.member(name, token, parser);
                    }
                }
            }
        }
        return reading.listed();
    }

    private static final class Reading {

        private long offset;
        private long length;
        private boolean wanted;
        private boolean record;
        private boolean placed;
        private boolean begun;
        private boolean complete;
        private long start = -1;
        private long end = -1;
        private long ranges;
        private long bytes;
        private long hash;

        void begin() {
            wanted = true;
            record = false;
            placed = false;
        }

        void member(String name, JsonToken token, JsonParser parser) {
            switch (name) {
                case "offset" -> offset = placed ? offset : parser.getLongValue();
                case "start" -> {
                    // With qemu-img map an offset follows, which is one in the file.
                    offset = parser.getLongValue();
                    placed = true;
                }
                case "length" -> length = parser.getLongValue();
                case "type" -> wanted = (parser.getLongValue() & 1) != 0;
                case "data" -> wanted = token == JsonToken.VALUE_TRUE;
                case "allocation" -> wanted = parser.getString().equals("DATA");
                case "record" -> {
                    record = true;
                    begun = true;
                }
                case "complete" -> complete = token == JsonToken.VALUE_TRUE;
                default -> {
                    // Of no interest.
                }
            }
        }

        void end() {
            if (record || !wanted) {
                return;
            }
            if (offset == end) {
                end = offset + length;
                return;
            }
            close();
            start = offset;
            end = offset + length;
        }

        private void close() {
            if (start >= 0) {
                ranges++;
                bytes += end - start;
                hash = (hash * 31 + start) * 31 + end;
            }
        }

        Listed listed() throws IOException {
            close();
            if (begun && !complete) {
                throw new IOException("the stream is not complete");
            }
            return new Listed(ranges, bytes, hash);
        }
    }

    /// Demands that another list says the same.
    void requireSame(Listed other, String what) {
        if (!equals(other)) {
            throw new IllegalStateException(
                    "%s: ours is %s, that of the peer %s".formatted(what, this, other));
        }
    }
}
