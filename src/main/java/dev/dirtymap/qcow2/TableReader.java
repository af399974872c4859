package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// Reads tables into one buffer, over and over. What lies past the end of the file is zero, as QEMU reads
/// it.
final class TableReader {

    private final ImageFile file;
    private final long fileSize;
    private final byte[] bytes;

    /// @param capacity of the buffer in bytes
    TableReader(ImageFile file, int capacity) throws IOException {
        this.file = file;
        this.fileSize = file.size();
        this.bytes = new byte[capacity];
    }

    /// Where there is nothing but zeros from.
    long fileSize() {
        return fileSize;
    }

    /// How many bytes one read can give.
    int capacity() {
        return bytes.length;
    }

    /// A big-endian view of `count` bytes at `offset`, valid until the next call.
    ByteBuffer read(long offset, int count) throws IOException {
        int had = offset < fileSize ? file.read(offset, ByteBuffer.wrap(bytes, 0, count)) : 0;
        Arrays.fill(bytes, had, count, (byte) 0);
        return ByteBuffer.wrap(bytes, 0, count);
    }
}
