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

    /// The magic link by which the very same inode can be opened once more, whatever has become of
    /// its name. Its text is ASCII, so the JDK can use it under every locale.
    static String magicLink(int number) {
        return "/proc/self/fd/" + number;
    }

    /// Opens what `number` holds again, with the access that `flags` ask for.
    static Descriptor reopen(int number, long flags, String what) throws IOException {
        byte[] link = magicLink(number).getBytes(StandardCharsets.US_ASCII);
        return opened(Libc.openat2(Libc.WORKING_FOLDER, link, flags | Libc.O_CLOEXEC, 0), what);
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
