package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.posix.FileStat;
import dev.dirtymap.posix.PosixFile;
import java.io.IOException;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// One file of a backing chain, open for one request: its bytes, its holes, and which version of it is read.
final class ChainFile implements AutoCloseable {

    /// How often a file that keeps changing is looked at again. Then it is read all the same: each step makes sure
    /// that nobody holds it for writing and that it is as it was.
    private static final int LOOKS = 5;

    private final Id id;
    private final PosixFile posixFile;
    private final FileStat stat;
    private final DiskFile file;

    /// Takes over the file.
    private ChainFile(Id id, PosixFile posixFile, FileStat stat, ImageMeters meters)
            throws IOException {
        this.id = id;
        this.posixFile = posixFile;
        this.stat = stat;
        this.file = new DiskFile(id, posixFile, meters);
    }

    /// Waits until every later change must show in the version, up to 20 ms after the last one.
    static ChainFile of(Id id, PosixFile posixFile, ImageMeters meters) throws IOException {
        boolean kept = false;
        try {
            FileStat stat = posixFile.stat();
            long seenSince = System.nanoTime();
            for (int looks = 0; looks < LOOKS; looks++) {
                long wait = FileVersion.of(stat).nanosToSettle(System.nanoTime() - seenSince);
                if (wait <= 0) {
                    break;
                }
                LockSupport.parkNanos(wait);
                FileStat now = posixFile.stat();
                if (!FileVersion.of(now).equals(FileVersion.of(stat))) {
                    stat = now;
                    seenSince = System.nanoTime();
                }
            }
            ChainFile opened = new ChainFile(id, posixFile, stat, meters);
            kept = true;
            return opened;
        } finally {
            if (!kept) {
                posixFile.close();
            }
        }
    }

    Id id() {
        return id;
    }

    DiskFile file() {
        return file;
    }

    FileVersion version() {
        return FileVersion.of(stat);
    }

    boolean is(FileStat other) {
        return stat.device() == other.device() && stat.inode() == other.inode();
    }

    FileStat stat() {
        return stat;
    }

    /// Takes the locks of a reader without waiting: null, or who is in the way.
    @Nullable Holder tryLock() throws IOException {
        return QemuLocks.tryRead(posixFile);
    }

    void unlock() throws IOException {
        QemuLocks.release(posixFile);
    }

    void requireUnchanged() throws IOException {
        if (!FileVersion.of(posixFile.stat()).equals(version())) {
            throw new ContentChangedException(id);
        }
    }

    @Override
    public void close() {
        posixFile.close();
    }
}
