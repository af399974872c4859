package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.NonWritableChannelException;

/// The one door to an image's bytes. Positional, so that readers share nothing. What only writers need has a
/// default that refuses.
public interface ImageFile {

    /// The length of the file in bytes, now.
    long size() throws IOException;

    /// Fills `destination` from `offset` on, as far as the file reaches.
    ///
    /// @param offset in bytes from the start of the file, not negative
    /// @return how many bytes were put; fewer than asked only at the end of the file
    int read(long offset, ByteBuffer destination) throws IOException;

    /// Writes all of `source` at `offset`, beyond the end of the file too: a gap reads as zeros. The bytes
    /// may reach the disk in any order, 512 at a time, until [#sync] returns.
    default void write(long offset, ByteBuffer source) throws IOException {
        throw new NonWritableChannelException();
    }

    /// Returns when everything written before is on the disk, the length of the file included.
    default void sync() throws IOException {
        throw new NonWritableChannelException();
    }

    /// Makes sure that later writes to this range find room on the disk, without changing a byte that can be
    /// read. The length of the file stays. A file system that cannot promise is taken at no word.
    ///
    /// @throws NoSpaceException if there is none
    default void reserve(long offset, long length) throws IOException {}

    /// Gives the disk space of a range back where the file system can: then it reads as zeros. The length of
    /// the file stays.
    default void discard(long offset, long length) throws IOException {}

    /// What the file system keeps at one place.
    ///
    /// @param hole whether it keeps nothing there, so that zeros are read
    /// @param end the offset up to which that is so at least, greater than the one asked about
    record Stretch(boolean hole, long end) {}

    /// Whether there is data or a hole at `offset`. A file that cannot tell has data up to its end.
    default Stretch stretch(long offset) throws IOException {
        long size = size();
        return offset < size ? new Stretch(false, size) : new Stretch(true, Long.MAX_VALUE);
    }

    /// What the file takes on the disk, in bytes: less than [#size] where it has holes.
    default long allocatedBytes() throws IOException {
        return size();
    }

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

        @Override
        public void write(long offset, ByteBuffer source) throws IOException {
            long at = offset;
            while (source.hasRemaining()) {
                at += channel.write(source, at);
            }
        }

        /// Not only data: the file may have grown.
        @Override
        public void sync() throws IOException {
            channel.force(true);
        }
    }
}
