package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/// An image file in memory, for images that are written out byte by byte or changed ten thousand times.
///
/// @param bytes the whole file; a change to them is a change to the file
public record MemoryImageFile(byte[] bytes) implements ImageFile {

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

    @Override
    public long size() {
        return bytes.length;
    }

    @Override
    public int read(long offset, ByteBuffer destination) {
        if (offset >= bytes.length) {
            return 0;
        }
        int count = (int) Math.min(destination.remaining(), bytes.length - offset);
        destination.put(bytes, (int) offset, count);
        return count;
    }
}
