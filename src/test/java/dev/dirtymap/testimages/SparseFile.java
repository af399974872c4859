package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/// A real file, read only, whose holes can be seen.
public final class SparseFile implements ImageFile, AutoCloseable {

    private final PosixFile file;
    private final ImageFile channel;
    private long bytesRead;

    private SparseFile(PosixFile file) throws IOException {
        this.file = file;
        // Where holes are is not settled before the file is on the disk.
        file.channel().force(true);
        this.channel = ImageFile.of(file.channel());
    }

    public static SparseFile open(Path path) throws IOException {
        Path folder = path.toAbsolutePath().getParent();
        if (folder == null) {
            throw new IllegalArgumentException("a file must be in a folder but was " + path);
        }
        try (RootFolder root = RootFolder.open(folder)) {
            return new SparseFile(
                    root.openFile(path.getFileName().toString().getBytes(UTF_8), false));
        }
    }

    /// How many bytes were read so far.
    public long bytesRead() {
        return bytesRead;
    }

    @Override
    public long size() throws IOException {
        return channel.size();
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        int count = channel.read(offset, destination);
        bytesRead += count;
        return count;
    }

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

    @Override
    public void close() {
        file.close();
    }
}
