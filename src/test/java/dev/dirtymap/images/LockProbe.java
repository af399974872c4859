package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import java.io.IOException;
import java.nio.file.Path;

/// Another user of an image's lock bytes, by a descriptor of its own, which for the kernel is like another
/// process.
final class LockProbe implements AutoCloseable {

    /// All bytes that QEMU or the service may lock.
    private static final long[] BYTES = {100, 101, 102, 103, 104, 200, 201, 202, 203, 204, 300, 0};

    private static final long SERVICE = 300;

    private final RootFolder root;
    private final PosixFile file;

    private LockProbe(RootFolder root, PosixFile file) {
        this.root = root;
        this.file = file;
    }

    /// @param image its name in the folder
    static LockProbe open(Path folder, String image) throws IOException {
        RootFolder root = RootFolder.open(folder);
        try {
            return new LockProbe(root, root.openFile(image.getBytes(UTF_8), true));
        } catch (IOException | RuntimeException e) {
            root.close();
            throw e;
        }
    }

    /// Whether anybody holds any lock now.
    boolean anyLock() throws IOException {
        for (long offset : BYTES) {
            if (file.isLockedByOthers(offset)) {
                return true;
            }
        }
        return false;
    }

    /// What a program does that starts to write, and gives up at once: as QEMU, first all locks, then all
    /// tests (`qcow2.md` 5.1).
    ///
    /// @return whether it could have started
    boolean couldWrite() throws IOException {
        boolean locked = true;
        for (long offset : new long[] {100, 101, 103, 201, 203}) {
            locked &= file.tryLockShared(offset);
        }
        boolean free = locked;
        for (long offset : new long[] {200, 201, 203, 101, 103}) {
            free = free && !file.isLockedByOthers(offset);
        }
        file.unlock(100, 104);
        return free;
    }

    /// Takes what a replica of the service takes to write.
    void lockAsWritingReplica() throws IOException {
        long end = System.nanoTime() + 5_000_000_000L;
        while (!file.tryLockExclusive(SERVICE)) {
            if (System.nanoTime() - end > 0) {
                throw new AssertionError("byte 300 could not be had");
            }
            Thread.onSpinWait();
        }
    }

    void unlock() throws IOException {
        file.unlock(0, 1000);
    }

    @Override
    public void close() {
        file.close();
        root.close();
    }
}
