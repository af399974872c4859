package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;

/// A sliding view on a file, for parsing many small records in order without a read each and without
/// holding more than a window of them.
final class Window {

    private final ImageFile file;
    private final long fileSize;
    private final byte[] bytes;
    private long start;
    private int length;

    /// @param capacity the largest record, in bytes
    Window(ImageFile file, int capacity) throws IOException {
        this(file, capacity, file.size());
    }

    /// @param fileSize how long the file is taken to be, in bytes
    Window(ImageFile file, int capacity, long fileSize) {
        this.file = file;
        this.fileSize = fileSize;
        this.bytes = new byte[capacity];
    }

    /// Whether the file holds all of these bytes.
    boolean holds(long offset, long count) {
        return offset >= 0 && count >= 0 && offset <= fileSize && count <= fileSize - offset;
    }

    /// The largest record that can be viewed, in bytes.
    int capacity() {
        return bytes.length;
    }

    /// The length of the file in bytes when this view was made.
    long fileSize() {
        return fileSize;
    }

    /// A big-endian view of `count` bytes at `offset`, valid until the next call.
    ///
    /// @throws IOException if the file was cut short since [#holds] was asked
    ByteBuffer view(long offset, int count) throws IOException {
        if (offset < start || offset + count > start + length) {
            // Should the read fail, what is held belongs to no place any more.
            length = 0;
            length = file.read(offset, ByteBuffer.wrap(bytes));
            start = offset;
            if (length < count) {
                throw new IOException(
                        "the file ended at %d while %d bytes at offset %d were read"
                                .formatted(offset + length, count, offset));
            }
        }
        return ByteBuffer.wrap(bytes, (int) (offset - start), count).slice();
    }

    /// A copy of `count` bytes at `offset`, which may be more than the window's capacity.
    byte[] copy(long offset, int count) throws IOException {
        byte[] result = new byte[count];
        if (file.read(offset, ByteBuffer.wrap(result)) < count) {
            throw new IOException(
                    "the file ended while %d bytes at offset %d were read"
                            .formatted(count, offset));
        }
        return result;
    }
}
