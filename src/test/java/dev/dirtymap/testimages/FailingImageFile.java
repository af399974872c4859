package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.qcow2.NoSpaceException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/// An image file whose n-th operation of one kind fails, as on a disk with one bad sector.
///
/// Like the real ones, a read that fails half-way leaves rubbish in the caller's buffer, and a write that fails
/// half-way leaves its first half in the file, up to a sector's border. What fails is told by its number, as in `write
/// 3 failed`.
public final class FailingImageFile implements ImageFile {

    /// What can fail.
    public enum Operation {
        READ,
        WRITE,
        SYNC,
        RESERVE,
        DISCARD
    }

    /// How it fails.
    public enum Trouble {
        /// With an [IOException]; all other operations work, also those after it.
        ERROR,
        /// With a [NoSpaceException]; all other operations work, also those after it.
        NO_SPACE,
        /// With an [IOException], and from then on every operation fails, as on a disk that is gone.
        GONE
    }

    private static final int SECTOR = 512;
    private static final byte RUBBISH = 0x5a;

    private final ImageFile file;
    private final Operation operation;
    private final int failing;
    private final Trouble trouble;
    private final Map<Operation, Integer> counts = new EnumMap<>(Operation.class);
    private boolean gone;

    /// Fails with [Trouble#ERROR] in a read.
    ///
    /// @param failing which read fails, counted from 1; 0 for none
    public FailingImageFile(ImageFile file, int failing) {
        this(file, Operation.READ, failing, Trouble.ERROR);
    }

    /// @param failing which of these operations fails, counted from 1; 0 for none
    public FailingImageFile(ImageFile file, Operation operation, int failing, Trouble trouble) {
        this.file = file;
        this.operation = operation;
        this.failing = failing;
        this.trouble = trouble;
    }

    /// How many reads were tried, the failed one included.
    public int reads() {
        return count(Operation.READ);
    }

    /// How many operations of this kind were tried, the failed ones included.
    public int count(Operation kind) {
        return counts.getOrDefault(kind, 0);
    }

    /// How many operations of all kinds that change something or make it lasting were tried.
    public int changes() {
        return counts.values().stream().mapToInt(count -> count).sum() - reads();
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        if (fails(Operation.READ)) {
            while (destination.hasRemaining()) {
                destination.put(RUBBISH);
            }
            throw failure(Operation.READ);
        }
        return file.read(offset, destination);
    }

    @Override
    public void write(long offset, ByteBuffer source) throws IOException {
        boolean wasGone = gone;
        if (fails(Operation.WRITE)) {
            long border = (offset + source.remaining() / 2) / SECTOR * SECTOR;
            if (border > offset && !wasGone) {
                file.write(offset, source.slice(source.position(), (int) (border - offset)));
            }
            throw failure(Operation.WRITE);
        }
        file.write(offset, source);
    }

    @Override
    public void sync() throws IOException {
        if (fails(Operation.SYNC)) {
            throw failure(Operation.SYNC);
        }
        file.sync();
    }

    @Override
    public void reserve(long offset, long length) throws IOException {
        if (fails(Operation.RESERVE)) {
            throw failure(Operation.RESERVE);
        }
        file.reserve(offset, length);
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        if (fails(Operation.DISCARD)) {
            throw failure(Operation.DISCARD);
        }
        file.discard(offset, length);
    }

    private boolean fails(Operation tried) {
        counts.merge(tried, 1, Integer::sum);
        boolean now = tried == operation && count(tried) == failing;
        gone |= now && trouble == Trouble.GONE;
        return now || gone;
    }

    private IOException failure(Operation failed) {
        String message =
                "%s %d failed".formatted(failed.name().toLowerCase(Locale.ROOT), count(failed));
        return trouble == Trouble.NO_SPACE
                ? new NoSpaceException(message)
                : new IOException(message);
    }
}
