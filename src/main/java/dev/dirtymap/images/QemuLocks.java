package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.posix.PosixFile;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// QEMU's byte-range protocol on an image file (`block/file-posix.c`; `qcow2.md` 5), for a reader.
///
/// Byte 100 + i says "I use permission i", byte 200 + i "others must not use it", with i = 0
/// consistent-read, 1 write, 3 resize. All locks are shared ones; a conflict is found by testing whether
/// anybody else holds the byte.
final class QemuLocks {

    /// Orders our own processes among themselves; QEMU never touches it.
    private static final long SERVICE = 300;

    private static final long USES_CONSISTENT_READ = 100;
    private static final long USES_WRITE = 101;
    private static final long USES_RESIZE = 103;
    private static final long FORBIDS_CONSISTENT_READ = 200;
    private static final long FORBIDS_WRITE = 201;
    private static final long FORBIDS_RESIZE = 203;

    private QemuLocks() {}

    /// Whether a program holds the image for writing now. Takes no lock.
    static boolean isHeldForWriting(PosixFile file) throws IOException {
        return file.isLockedByOthers(USES_WRITE) || file.isLockedByOthers(USES_RESIZE);
    }

    /// Whether a program other than this service holds the image for writing now.
    static boolean isHeldByProgram(PosixFile file) throws IOException {
        // Our writers hold the one lock before and after the other.
        boolean service = isServiceWriting(file);
        return isHeldForWriting(file) && !service && !isServiceWriting(file);
    }

    /// Takes the locks of a reader without waiting, as QEMU does: first all locks, then the tests, so that
    /// of two programs that race at least one notices.
    ///
    /// While a program is seen to be in the way no lock is taken at all: even a short one could make that
    /// program fail, should it ask for another permission in that very moment.
    ///
    /// @return null on success, else who is in the way; then no lock is left
    static @Nullable Holder tryRead(PosixFile file) throws IOException {
        if (isServiceWriting(file)) {
            return Holder.SERVICE;
        }
        if (isReadingForbidden(file)) {
            return Holder.OTHER_PROGRAM;
        }
        boolean taken = false;
        try {
            if (!file.tryLockShared(SERVICE)) {
                return Holder.SERVICE;
            }
            taken =
                    file.tryLockShared(USES_CONSISTENT_READ)
                            && file.tryLockShared(FORBIDS_WRITE)
                            && file.tryLockShared(FORBIDS_RESIZE)
                            && !isReadingForbidden(file);
            return taken ? null : Holder.OTHER_PROGRAM;
        } finally {
            if (!taken) {
                release(file);
            }
        }
    }

    private static boolean isReadingForbidden(PosixFile file) throws IOException {
        return file.isLockedByOthers(FORBIDS_CONSISTENT_READ) || isHeldForWriting(file);
    }

    /// Whether one of our own processes changes the image now.
    static boolean isServiceWriting(PosixFile file) throws IOException {
        return file.isLockedExclusivelyByOthers(SERVICE);
    }

    /// Takes the locks of a writer without waiting, as QEMU does: first all locks, then the tests. Programs
    /// that only look (`qemu-img info -U`) are no obstacle.
    ///
    /// @param file opened for writing
    /// @return null on success, else who is in the way; then no lock is left
    static @Nullable Holder tryWrite(PosixFile file) throws IOException {
        boolean taken = false;
        try {
            if (!file.tryLockExclusive(SERVICE)) {
                return Holder.SERVICE;
            }
            taken =
                    !isWritingForbidden(file)
                            && file.tryLockShared(USES_CONSISTENT_READ)
                            && file.tryLockShared(USES_WRITE)
                            && file.tryLockShared(USES_RESIZE)
                            && file.tryLockShared(FORBIDS_WRITE)
                            && file.tryLockShared(FORBIDS_RESIZE)
                            && !isWritingForbidden(file);
            return taken ? null : Holder.OTHER_PROGRAM;
        } finally {
            if (!taken) {
                release(file);
            }
        }
    }

    private static boolean isWritingForbidden(PosixFile file) throws IOException {
        return file.isLockedByOthers(FORBIDS_CONSISTENT_READ)
                || file.isLockedByOthers(FORBIDS_WRITE)
                || file.isLockedByOthers(FORBIDS_RESIZE)
                || isHeldForWriting(file);
    }

    /// Gives up all locks.
    static void release(PosixFile file) throws IOException {
        file.unlock(USES_CONSISTENT_READ, SERVICE - USES_CONSISTENT_READ + 1);
    }
}
