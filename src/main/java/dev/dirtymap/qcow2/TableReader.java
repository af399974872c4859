package dev.dirtymap.qcow2;

import java.io.IOException;
import java.io.Serial;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// Reads tables into one buffer, over and over. What lies past the end of the file is zero, as QEMU reads
/// it. May be given a budget, so that tables that name each other many times come to an end.
final class TableReader {

    private final ImageFile file;
    private final long fileSize;
    private final byte[] bytes;
    private final Budget budget;

    /// @param capacity of the buffer in bytes
    TableReader(ImageFile file, int capacity) throws IOException {
        this(file, capacity, new Budget(Long.MAX_VALUE));
    }

    TableReader(ImageFile file, int capacity, Budget budget) throws IOException {
        this(file, new byte[capacity], budget);
    }

    /// @param buffer may be shared by readers, one of which is read and worked through at a time
    TableReader(ImageFile file, byte[] buffer) throws IOException {
        this(file, buffer, new Budget(Long.MAX_VALUE));
    }

    private TableReader(ImageFile file, byte[] buffer, Budget budget) throws IOException {
        this.budget = budget;
        this.file = file;
        this.fileSize = file.size();
        this.bytes = buffer;
    }

    /// How many bytes of tables may still be read, by all readers that share it.
    static final class Budget {

        private long left;

        Budget(long bytes) {
            this.left = bytes;
        }

        private void spend(long bytes) throws SpentException {
            left -= bytes;
            if (left < 0) {
                throw new SpentException();
            }
        }
    }

    /// The budget is spent.
    static final class SpentException extends IOException {

        @Serial private static final long serialVersionUID = 1L;

        SpentException() {
            super("the tables are too many to be read");
        }
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
    ///
    /// @throws SpentException if the budget does not allow it
    ByteBuffer read(long offset, int count) throws IOException {
        budget.spend(count);
        int had = offset < fileSize ? file.read(offset, ByteBuffer.wrap(bytes, 0, count)) : 0;
        Arrays.fill(bytes, had, count, (byte) 0);
        return ByteBuffer.wrap(bytes, 0, count);
    }
}
