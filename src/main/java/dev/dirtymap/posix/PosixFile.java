package dev.dirtymap.posix;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// An open regular file: its identity, its locks, its room on the disk, and a channel to read and
/// write it.
///
/// The locks are OFD locks, see fcntl(2): they belong to this object, so two `PosixFile`s of one
/// file conflict with each other, also in one process; they conflict with the POSIX locks of
/// [FileChannel#tryLock()] of other processes; they are advisory; and they go when this is closed,
/// or the process ends, and not before. A later lock of this object on the same byte replaces its
/// earlier one.
///
/// Safe for use by many threads. After [#close()] every call throws
/// [java.nio.channels.ClosedChannelException].
public final class PosixFile implements AutoCloseable {

    private final Descriptor descriptor;
    private final boolean writable;
    private final String what;
    private @Nullable FileChannel channel;

    PosixFile(Descriptor descriptor, boolean writable, String what) {
        this.descriptor = descriptor;
        this.writable = writable;
        this.what = what;
    }

    /// As the file is now, also when it has no name any more.
    public FileStat stat() throws IOException {
        return descriptor.with(number -> Statx.of(number, what)).toFileStat();
    }

    /// For reading, and for writing if the file was opened so; always the same one, closed with
    /// this file. The JDK cannot wrap a descriptor, so this is a second one for the same inode;
    /// closing that does no harm to OFD locks.
    public synchronized FileChannel channel() throws IOException {
        FileChannel opened =
                descriptor.with(number -> channel == null ? openChannel(number) : channel);
        channel = opened;
        return opened;
    }

    /// Makes room on the disk for `length` bytes from `offset`, so that writing them later finds it,
    /// without a change of content or size. Where the file system cannot, nothing happens.
    ///
    /// When there is no room an [ErrnoException] that [ErrnoException#isNoSpace()], and
    /// [NonWritableChannelException] when the file was not opened for writing.
    public void reserve(long offset, long length) throws IOException {
        allocate(Libc.FALLOC_FL_KEEP_SIZE, offset, length);
    }

    /// Gives the disk space of `length` bytes from `offset` back: they read as zeros then, and the
    /// size stays. Where the file system cannot, nothing happens, and the bytes stay as they are.
    ///
    /// [NonWritableChannelException] when the file was not opened for writing.
    public void punch(long offset, long length) throws IOException {
        allocate(Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, offset, length);
    }

    /// The first byte from `offset` on that the file system holds data for; -1 if there is none. Where the
    /// file system cannot tell, there is data everywhere.
    public long nextData(long offset) throws IOException {
        long found = descriptor.with(number -> Libc.lseek(number, offset, Libc.SEEK_DATA));
        if (found == -Errno.ENXIO.number()) {
            return -1;
        }
        // A file that was cut short, or a driver of its own mind, must not send anybody backwards.
        return found < offset ? offset : found;
    }

    /// The first byte from `offset`, within the file, on that is in a hole, of which there is always one at
    /// the end of the file; [Long#MAX_VALUE] where the file system cannot tell.
    public long nextHole(long offset) throws IOException {
        long found = descriptor.with(number -> Libc.lseek(number, offset, Libc.SEEK_HOLE));
        return found <= offset ? Long.MAX_VALUE : found;
    }

    /// Locks one byte together with other readers of it, without waiting. False: somebody holds it
    /// exclusively.
    public boolean tryLockShared(long offset) throws IOException {
        return tryLock(Libc.F_RDLCK, offset);
    }

    /// Locks one byte against everybody else, without waiting. False: somebody holds it in either
    /// way, or changes their lock on it right now. Throws [NonWritableChannelException] when the
    /// file was not opened for writing.
    public boolean tryLockExclusive(long offset) throws IOException {
        return tryLock(Libc.F_WRLCK, offset);
    }

    /// Gives up this object's locks on `length` bytes, at least one, from `offset`, whether it has
    /// any or not.
    public void unlock(long offset, long length) throws IOException {
        requireRange(offset, length);
        if (length == 0) {
            // fcntl takes 0 for "to the end of the file and beyond"
            throw new IllegalArgumentException("length must be at least 1 but was 0");
        }
        int result = descriptor.with(number -> Libc.setLock(number, Libc.F_UNLCK, offset, length));
        if (result < 0) {
            throw Errno.failure("fcntl(F_OFD_SETLK)", what, -result);
        }
    }

    /// Whether anyone else (another `PosixFile`, another program) holds a lock on the byte, shared
    /// or exclusive. This object's own locks do not count.
    public boolean isLockedByOthers(long offset) throws IOException {
        return isObstacle(Libc.F_WRLCK, offset);
    }

    /// Whether anyone else holds an exclusive lock on the byte.
    public boolean isLockedExclusivelyByOthers(long offset) throws IOException {
        return isObstacle(Libc.F_RDLCK, offset);
    }

    /// Closes the channel, releases all locks; the second time it does nothing. An error is not
    /// told: what must last was forced to the disk before.
    @Override
    public synchronized void close() {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException untold) {
            // The descriptor is freed nevertheless.
        } finally {
            descriptor.close();
        }
    }

    private FileChannel openChannel(int number) throws IOException {
        Set<StandardOpenOption> options = EnumSet.of(StandardOpenOption.READ);
        if (writable) {
            options.add(StandardOpenOption.WRITE);
        }
        return FileChannel.open(Path.of(Descriptor.magicLink(number)), options);
    }

    private void allocate(int mode, long offset, long length) throws IOException {
        requireRange(offset, length);
        int result = descriptor.with(number -> allocate(number, mode, offset, length));
        switch (Errno.of(-result).orElse(null)) {
            case EOPNOTSUPP, ENOSYS, EINVAL -> {}
            case null, default -> {
                if (result < 0) {
                    throw Errno.failure("fallocate", what, -result);
                }
            }
        }
    }

    private int allocate(int number, int mode, long offset, long length) {
        if (!writable) {
            throw new NonWritableChannelException();
        }
        return Libc.fallocate(number, mode, offset, length);
    }

    private boolean tryLock(short type, long offset) throws IOException {
        requireRange(offset, 1);
        int result = descriptor.with(number -> setLock(number, type, offset));
        if (result == -Errno.EAGAIN.number() || result == -Errno.EACCES.number()) {
            return false;
        }
        if (result < 0) {
            throw Errno.failure("fcntl(F_OFD_SETLK)", what, -result);
        }
        return true;
    }

    private int setLock(int number, short type, long offset) {
        if (type == Libc.F_WRLCK && !writable) {
            throw new NonWritableChannelException();
        }
        return Libc.setLock(number, type, offset, 1);
    }

    private boolean isObstacle(short type, long offset) throws IOException {
        requireRange(offset, 1);
        int result = descriptor.with(number -> Libc.conflictingLock(number, type, offset, 1));
        if (result < 0) {
            throw Errno.failure("fcntl(F_OFD_GETLK)", what, -result);
        }
        return result != Libc.F_UNLCK;
    }

    private static void requireRange(long offset, long length) {
        Objects.checkFromIndexSize(offset, length, Long.MAX_VALUE);
    }
}
