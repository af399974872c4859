package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;

/// An image file in memory, for images that are written out byte by byte or changed ten thousand times.
public final class MemoryImageFile implements ImageFile {

    /// Longer than the file while it grows, with zeros behind its end.
    private byte[] bytes;

    private int size;

    /// @param bytes the whole file; a change to them is a change to the file until a write makes it longer
    public MemoryImageFile(byte[] bytes) {
        this.bytes = bytes;
        this.size = bytes.length;
    }

    /// A file of exactly these bytes.
    ///
    /// @param hex pairs of digits, with any white space between them
    public static MemoryImageFile ofHex(String hex) {
        return new MemoryImageFile(HexFormat.of().parseHex(hex.replaceAll("\\s", "")));
    }

    /// A copy of a file.
    public static MemoryImageFile copyOf(Path file) {
        try {
            return new MemoryImageFile(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// The whole file; a change to them is a change to the file until a write makes it longer.
    public byte[] bytes() {
        if (bytes.length != size) {
            bytes = Arrays.copyOf(bytes, size);
        }
        return bytes;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public int read(long offset, ByteBuffer destination) {
        if (offset >= size) {
            return 0;
        }
        int count = (int) Math.min(destination.remaining(), size - offset);
        destination.put(bytes, (int) offset, count);
        return count;
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        int count = source.remaining();
        if (count == 0) {
            return;
        }
        int end = Math.toIntExact(Math.addExact(offset, count));
        if (end > bytes.length) {
            bytes = Arrays.copyOf(bytes, (int) Math.max(end, Math.min(2L * size, 1 << 30)));
        }
        size = Math.max(size, end);
        source.get(bytes, (int) offset, count);
    }

    @Override
    public void sync() {}

    @Override
    public void discard(long offset, long length) {
        int from = (int) Math.min(offset, size);
        int to = (int) Math.min(Math.addExact(offset, length), size);
        Arrays.fill(bytes, from, to, (byte) 0);
    }
}
