package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ImageFile.Stretch;
import java.io.IOException;

/// Where a file has holes, for asking in ascending order: the last answer is kept.
///
/// QEMU counts files in sectors of 512 bytes, rounded up, and takes everything behind the last for zeros
/// (`bdrv_co_block_status` of `block/io.c`, `BDRV_BLOCK_EOF`).
final class HostHoles {

    private final ImageFile file;
    private final long size;
    private long start;
    private Stretch last = new Stretch(true, 0);

    HostHoles(ImageFile file) throws IOException {
        this.file = file;
        this.size = sectors(file.size());
    }

    /// The length of the file as QEMU counts it, in bytes.
    long size() {
        return size;
    }

    /// Whether the last answer tells of this place, too.
    boolean holds(long offset) {
        return offset >= start && offset < last.end();
    }

    /// Whether the last answer says of all these bytes that they are data.
    boolean isData(long offset, long length) {
        return holds(offset) && !last.hole() && length <= last.end() - offset;
    }

    Stretch at(long offset) throws IOException {
        if (!holds(offset)) {
            last = ask(offset);
            start = offset;
        }
        return last;
    }

    private Stretch ask(long offset) throws IOException {
        if (offset >= size) {
            return new Stretch(true, Long.MAX_VALUE);
        }
        Stretch told = file.stretch(offset);
        return told.hole() ? told : new Stretch(false, Math.min(told.end(), size));
    }

    /// A length in bytes, rounded up to whole sectors.
    static long sectors(long bytes) {
        return bytes > Long.MAX_VALUE - 511 ? Long.MAX_VALUE & -512L : (bytes + 511) & -512L;
    }
}
