package dev.dirtymap.posix;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// An open descriptor and who may use its number. The kernel hands out the lowest free number, so a
/// number that is used after its closing, or closed twice, is most likely another file by then. Any
/// number of threads use it together; closing waits for them and happens once.
final class Descriptor implements AutoCloseable {

    private static final long BENEATH =
            Libc.RESOLVE_BENEATH | Libc.RESOLVE_NO_SYMLINKS | Libc.RESOLVE_NO_MAGICLINKS;

    /// `RESOLVE_BENEATH` says `EAGAIN` when a rename anywhere keeps the kernel from being sure. It
    /// needs a `..` to come to that, and those are refused before, so this is for kernels to come.
    private static final int ATTEMPTS = 16;

    private final int number;
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private boolean closed;

    /// Takes over `number`: from now on only this object closes it.
    Descriptor(int number) {
        this.number = number;
    }

    /// What is done with the number, which must not be kept.
    @FunctionalInterface
    interface Work<T> {
        T on(int number) throws IOException;
    }

    /// Throws [ClosedChannelException] when closed.
    <T> T with(Work<T> work) throws IOException {
        lock.readLock().lock();
        try {
            if (closed) {
                throw new ClosedChannelException();
            }
            return work.on(number);
        } finally {
            lock.readLock().unlock();
        }
    }

    /// Opens `path` beneath this folder, without following any link. `mode` is for a file that
    /// `flags` create, and 0 otherwise.
    Descriptor openBeneath(byte[] path, long flags, long mode, String what) throws IOException {
        return opened(tryOpenBeneath(path, flags, mode), what);
    }

    /// The same, with what `openat2` said: a number that is now the caller's, or a negated errno.
    int tryOpenBeneath(byte[] path, long flags, long mode) throws IOException {
        return with(folder -> {
            int result = Libc.openat2(folder, path, flags, mode, BENEATH);
            for (int attempt = 1;
                    result == -Errno.EAGAIN.number() && attempt < ATTEMPTS;
                    attempt++) {
                Thread.onSpinWait();
                result = Libc.openat2(folder, path, flags, mode, BENEATH);
            }
            return result;
        });
    }

    /// The magic link by which the very same inode can be opened once more, whatever has become of
    /// its name. Its text is ASCII, so the JDK can use it under every locale.
    static String magicLink(int number) {
        return "/proc/self/fd/" + number;
    }

    /// The same for [Libc].
    static byte[] magicLinkBytes(int number) {
        return magicLink(number).getBytes(StandardCharsets.US_ASCII);
    }

    /// Opens what `number` holds again, with the access that `flags` ask for.
    static Descriptor reopen(int number, long flags, String what) throws IOException {
        byte[] link = magicLinkBytes(number);
        return opened(Libc.openat2(Libc.WORKING_FOLDER, link, flags | Libc.O_CLOEXEC, 0, 0), what);
    }

    /// From the result of `openat2`, a descriptor or a negated errno.
    static Descriptor opened(int result, String what) throws IOException {
        if (result < 0) {
            throw Errno.failure("openat2", what, -result);
        }
        return new Descriptor(result);
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                Libc.close(number);
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
