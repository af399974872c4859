package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.images.ImageMeters.Access;
import dev.dirtymap.posix.FileStat;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.FormatException;
import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// One image under the lock of a writer, or of a reader: nobody else changes it until this is closed.
final class LockedImage implements AutoCloseable {

    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(3);

    private final Id id;
    private final PosixFile posixFile;
    private final boolean writable;
    private final ImageFile file;
    private final FileStat identity;
    private @Nullable BitmapsDraft draft;

    private LockedImage(Id id, PosixFile posixFile, boolean writable, ImageMeters meters)
            throws IOException {
        this.id = id;
        this.posixFile = posixFile;
        this.writable = writable;
        this.file = new DiskFile(id, posixFile, meters);
        this.identity = posixFile.stat();
    }

    /// Takes over an open file and locks it.
    ///
    /// @param writable whether for writing, as the file must have been opened
    /// @param deadline the `System.nanoTime` at which to give up
    static LockedImage lock(
            Id id, PosixFile posixFile, boolean writable, long deadline, ImageMeters meters)
            throws ImageLockedException, IOException {
        Access access = writable ? Access.WRITE : Access.READ;
        long start = System.nanoTime();
        try {
            LockedImage image = lock(id, posixFile, writable, meters, deadline);
            meters.waited(access, start, null);
            return image;
        } catch (ImageLockedException e) {
            meters.waited(access, start, e.holder());
            throw e;
        }
    }

    private static LockedImage lock(
            Id id, PosixFile posixFile, boolean writable, ImageMeters meters, long deadline)
            throws ImageLockedException, IOException {
        LockedImage image = new LockedImage(id, posixFile, writable, meters);
        if (!writable) {
            image.await(deadline);
            return image;
        }
        if (!WriterQueue.enter(image.identity.device(), image.identity.inode(), deadline)) {
            throw new ImageLockedException(id, Holder.SERVICE);
        }
        boolean locked = false;
        try {
            image.await(deadline);
            locked = true;
            return image;
        } finally {
            if (!locked) {
                WriterQueue.leave(image.identity.device(), image.identity.inode());
            }
        }
    }

    /// Tries until the lock is had, with pauses that differ between those who wait.
    private void await(long deadline) throws ImageLockedException, IOException {
        while (true) {
            Holder inTheWay =
                    writable ? QemuLocks.tryWrite(posixFile) : QemuLocks.tryRead(posixFile);
            if (inTheWay == null) {
                return;
            }
            if (System.nanoTime() - deadline >= 0) {
                throw new ImageLockedException(id, inTheWay);
            }
            LockSupport.parkNanos(PAUSE_NANOS + ThreadLocalRandom.current().nextLong(PAUSE_NANOS));
        }
    }

    Id id() {
        return id;
    }

    ImageFile file() {
        return file;
    }

    boolean isWritable() {
        return writable;
    }

    /// Whether this is that file, under whatever name.
    boolean is(FileStat other) {
        return identity.device() == other.device() && identity.inode() == other.inode();
    }

    FileVersion version() throws IOException {
        return FileVersion.of(posixFile.stat());
    }

    /// The image as it stands now.
    ///
    /// @throws ImageNotFoundException if the file is no qcow2 image
    /// @throws ImageUnreadableException if it claims to be one and breaks the format
    ImageView view() throws ImageNotFoundException, ImageUnreadableException, IOException {
        try {
            Image image = Image.open(file, false).orElseThrow(() -> new ImageNotFoundException(id));
            FileStat stat = posixFile.stat();
            return new ImageView(
                    image, file, FileVersion.of(stat), true, stat.allocatedBytes(), false);
        } catch (FormatException broken) {
            throw new ImageUnreadableException(id, broken);
        }
    }

    /// Its bitmaps as they shall be; the same object each time.
    BitmapsDraft draft() throws ImageNotFoundException, ImageUnreadableException, IOException {
        BitmapsDraft made = draft;
        if (made == null) {
            made = new BitmapsDraft(view().image(), file);
            draft = made;
        }
        return made;
    }

    @Nullable BitmapsDraft draftIfAny() {
        return draft;
    }

    /// Gives up the lock and closes the file.
    @Override
    public void close() {
        posixFile.close();
        if (writable) {
            WriterQueue.leave(identity.device(), identity.inode());
        }
    }
}
