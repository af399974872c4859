package dev.dirtymap.testimages;

import java.nio.ByteBuffer;

/// What a program asked of an image file, in the order in which it asked.
public sealed interface DiskEvent {

    /// Bytes were written.
    ///
    /// @param offset in bytes from the start of the file
    /// @param bytes a copy that nobody can change
    record Write(long offset, ByteBuffer bytes) implements DiskEvent {

        public Write {
            bytes =
                    ByteBuffer.allocate(bytes.remaining())
                            .put(bytes.duplicate())
                            .flip()
                            .asReadOnlyBuffer();
        }

        @Override
        public ByteBuffer bytes() {
            return bytes.duplicate();
        }

        @Override
        public String toString() {
            return "write of %d bytes at %d".formatted(bytes.remaining(), offset);
        }
    }

    /// A range was given back, and reads as zeros as far as the file reaches.
    record Discard(long offset, long length) implements DiskEvent {

        @Override
        public String toString() {
            return "discard of %d bytes at %d".formatted(length, offset);
        }
    }

    /// Everything before it is on the disk.
    record Sync() implements DiskEvent {

        @Override
        public String toString() {
            return "sync";
        }
    }
}
