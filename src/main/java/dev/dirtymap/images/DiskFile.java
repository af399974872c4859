package dev.dirtymap.images;

import dev.dirtymap.posix.ErrnoException;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.qcow2.NoSpaceException;
import java.io.IOException;
import java.nio.ByteBuffer;

/// An image on a disk: what a channel does, and what only the system can say about space.
final class DiskFile implements ImageFile {

    private final PosixFile file;
    private final ImageFile channel;

    DiskFile(PosixFile file) throws IOException {
        this.file = file;
        this.channel = ImageFile.of(file.channel());
    }

    @Override
    public long size() throws IOException {
        return channel.size();
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        return channel.read(offset, destination);
    }

    @Override
    public void write(long offset, ByteBuffer source) throws IOException {
        try {
            channel.write(offset, source);
        } catch (IOException e) {
            throw told(e);
        }
    }

    @Override
    public void sync() throws IOException {
        try {
            channel.sync();
        } catch (IOException e) {
            throw told(e);
        }
    }

    @Override
    public void reserve(long offset, long length) throws IOException {
        try {
            file.reserve(offset, length);
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
