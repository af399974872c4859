package dev.dirtymap.images;

import dev.dirtymap.posix.ErrnoException;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.qcow2.NoSpaceException;
import java.io.IOException;
import java.nio.ByteBuffer;

/// An image on a disk, locked: what a channel does, and what only the system can say about space.
///
/// A program that asks for no lock may cut the file all the same. Then our next write could make it longer
/// again, and what was cut off would read as zeros: clean bits that are not. So the file is made as long as it
/// will become at the first write, and must never be shorter than it was.
final class DiskFile implements ImageFile {

    private final Id id;
    private final PosixFile file;
    private final ImageMeters meters;
    private final ImageFile channel;

    /// What the file has at least, once it has been looked at.
    private long length;

    /// The end of what was reserved.
    private long reserved;

    DiskFile(Id id, PosixFile file, ImageMeters meters) throws IOException {
        this.id = id;
        this.file = file;
        this.meters = meters;
        this.channel = ImageFile.of(file.channel());
    }

    @Override
    public long size() throws IOException {
        return requireNotCut();
    }

    /// @return the size
    /// @throws ContentChangedException if the file is shorter than it was
    private long requireNotCut() throws IOException {
        long size = channel.size();
        if (size < length) {
            throw new ContentChangedException(id, length, size);
        }
        length = size;
        return size;
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        if (length == 0) {
            requireNotCut();
        }
        int count = channel.read(offset, destination);
        if (destination.hasRemaining()) {
            requireNotCut();
        }
        return count;
    }

    @Override
    public void write(long offset, ByteBuffer source) throws IOException {
        long end = offset + source.remaining();
        try {
            if (requireNotCut() < reserved) {
                channel.write(reserved - 1, ByteBuffer.allocate(1));
                length = reserved;
            }
            channel.write(offset, source);
            length = Math.max(length, end);
        } catch (IOException e) {
            throw told(e);
        }
    }

    @Override
    public void sync() throws IOException {
        long start = System.nanoTime();
        try {
            channel.sync();
        } catch (IOException e) {
            throw told(e);
        }
        meters.synced(start);
        requireNotCut();
    }

    @Override
    public void reserve(long offset, long length) throws IOException {
        try {
            file.reserve(offset, length);
            reserved = Math.max(reserved, offset + length);
        } catch (IOException e) {
            throw told(e);
        }
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        file.punch(offset, length);
    }

    /// As QEMU asks (`find_allocation` of `block/file-posix.c`).
    @Override
    public Stretch stretch(long offset) throws IOException {
        long data = file.nextData(offset);
        if (data < 0) {
            return new Stretch(true, Long.MAX_VALUE);
        }
        return data > offset ? new Stretch(true, data) : new Stretch(false, file.nextHole(offset));
    }

    @Override
    public long allocatedBytes() throws IOException {
        return file.stat().allocatedBytes();
    }

    /// A failure for want of space by its own name, others as they are.
    static IOException told(IOException failure) {
        if (!ErrnoException.isNoSpace(failure)) {
            return failure;
        }
        NoSpaceException told = new NoSpaceException(String.valueOf(failure.getMessage()));
        told.initCause(failure);
        return told;
    }
}
