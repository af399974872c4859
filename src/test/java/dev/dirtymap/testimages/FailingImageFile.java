package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;

/// An image file whose n-th read fails, as on a disk with one bad sector. Like a real read that fails half-way, it
/// leaves rubbish in the caller's buffer. All other reads work, also those after it.
public final class FailingImageFile implements ImageFile {

    private static final byte RUBBISH = 0x5a;

    private final ImageFile file;
    private final int failing;
    private int reads;

    /// @param failing which read fails, counted from 1; 0 for none
    public FailingImageFile(ImageFile file, int failing) {
        this.file = file;
        this.failing = failing;
    }

    /// How many reads were tried, the failed one included.
    public int reads() {
        return reads;
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        reads++;
        if (reads == failing) {
            while (destination.hasRemaining()) {
                destination.put(RUBBISH);
            }
            throw new IOException("read " + failing + " failed");
        }
        return file.read(offset, destination);
    }
}
