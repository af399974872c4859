package dev.dirtymap.qcow2;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The reference points of an image's bitmaps, in a header extension of our own ([#EXTENSION]) that QEMU
/// keeps like every extension it does not know. An entry speaks of the bitmap of its name; one whose bitmap
/// is absent means nothing.
///
/// | size | field |
/// |---|---|
/// | 1 | version of this layout: 1 |
/// | | then, for each entry up to the end: |
/// | 2 | length of the bitmap's name, never 0; 0 ends the list |
/// | | the name |
/// | 8 | set_at, in milliseconds since the epoch |
/// | 3 times 2 | length of last_backup, base_backup and note in bytes of UTF-8; 0xffff for none |
/// | | those bytes after each length |
///
/// All integers are big-endian.
public final class ReferencePoints {

    /// `DMRP`
    static final int EXTENSION = 0x444d5250;

    /// The longest text, in bytes of UTF-8.
    public static final int MAX_TEXT = 4096;

    private static final int VERSION = 1;
    private static final int NONE = 0xffff;

    private final Map<ByteBuffer, ReferencePoint> byName;

    private ReferencePoints(Map<ByteBuffer, ReferencePoint> byName) {
        this.byName = byName;
    }

    /// What the image says. An extension that cannot be understood says nothing.
    static ReferencePoints of(HeaderExtensions extensions) {
        Map<ByteBuffer, ReferencePoint> found = new LinkedHashMap<>();
        for (HeaderExtension extension : extensions.all()) {
            if (extension instanceof HeaderExtension.Unknown(long _, int id, byte[] data)
                    && id == EXTENSION) {
                found = parse(data);
            }
        }
        return new ReferencePoints(found);
    }

    private static Map<ByteBuffer, ReferencePoint> parse(byte[] data) {
        Map<ByteBuffer, ReferencePoint> found = new LinkedHashMap<>();
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(data))) {
            if (in.readUnsignedByte() != VERSION) {
                return Map.of();
            }
            while (in.available() > 0) {
                int nameLength = in.readUnsignedShort();
                if (nameLength == 0) {
                    break;
                }
                byte[] name = new byte[nameLength];
                in.readFully(name);
                Instant setAt = Instant.ofEpochMilli(in.readLong());
                found.put(
                        ByteBuffer.wrap(name),
                        new ReferencePoint(text(in), text(in), text(in), setAt));
            }
        } catch (IOException | DateTimeException e) {
            return Map.of();
        }
        return found;
    }

    private static @Nullable String text(DataInputStream in) throws IOException {
        int length = in.readUnsignedShort();
        if (length == NONE) {
            return null;
        }
        byte[] bytes = new byte[length];
        in.readFully(bytes);
        String text = new String(bytes, StandardCharsets.UTF_8);
        if (!Arrays.equals(text.getBytes(StandardCharsets.UTF_8), bytes)) {
            throw new IOException("a text is not UTF-8");
        }
        return text;
    }

    /// That of the bitmap of this name, which has to be there for it to mean anything; null for none.
    public @Nullable ReferencePoint get(byte[] name) {
        return byName.get(ByteBuffer.wrap(name));
    }

    /// Sets or, with null, removes one.
    void put(byte[] name, @Nullable ReferencePoint point) {
        if (point == null) {
            byName.remove(ByteBuffer.wrap(name));
        } else {
            byName.put(ByteBuffer.wrap(name.clone()), point);
        }
    }

    /// The names that have one.
    Iterable<byte[]> names() {
        return byName.keySet().stream().map(ByteBuffer::array).toList();
    }

    ReferencePoints copy() {
        return new ReferencePoints(new LinkedHashMap<>(byName));
    }

    /// The extension's data; null if there is nothing to say.
    byte @Nullable [] toBytes() {
        if (byName.isEmpty()) {
            return null;
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeByte(VERSION);
            for (Map.Entry<ByteBuffer, ReferencePoint> entry : byName.entrySet()) {
                byte[] name = entry.getKey().array();
                ReferencePoint point = entry.getValue();
                out.writeShort(name.length);
                out.write(name);
                out.writeLong(point.setAt().toEpochMilli());
                write(out, point.lastBackup());
                write(out, point.baseBackup());
                write(out, point.note());
            }
        } catch (IOException e) {
            throw new UncheckedIOException("memory takes every byte", e);
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream out, @Nullable String text) throws IOException {
        if (text == null) {
            out.writeShort(NONE);
            return;
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > MAX_TEXT) {
            throw new IllegalArgumentException(
                    "a text of a reference point must have at most %d bytes but had %d"
                            .formatted(MAX_TEXT, bytes.length));
        }
        out.writeShort(bytes.length);
        out.write(bytes);
    }
}
