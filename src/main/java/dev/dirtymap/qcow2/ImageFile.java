package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/// The one door to an image's bytes. Positional, so that readers share nothing.
public interface ImageFile {

    /// The length of the file in bytes, now.
    long size() throws IOException;

    /// Fills `destination` from `offset` on, as far as the file reaches.
    ///
    /// @param offset in bytes from the start of the file, not negative
    /// @return how many bytes were put; fewer than asked only at the end of the file
    int read(long offset, ByteBuffer destination) throws IOException;

    /// An image file over an open channel, which stays the caller's to close.
    static ImageFile of(FileChannel channel) {
        return new OpenChannel(channel);
    }

    /// A real file.
    record OpenChannel(FileChannel channel) implements ImageFile {

        @Override
        public long size() throws IOException {
            return channel.size();
        }

        @Override
        public int read(long offset, ByteBuffer destination) throws IOException {
            int total = 0;
            while (destination.hasRemaining()) {
                int count = channel.read(destination, Math.addExact(offset, total));
                if (count < 0) {
                    break;
                }
                total += count;
            }
            return total;
        }
    }
}
