package dev.dirtymap.posix;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/// A folder that is held open while single names in it are made or taken away. Every name is one
/// part, so no call here can follow a link or leave the folder, whatever has become of its own
/// name.
///
/// Opened for reading, not only found: [#sync()] needs that, and so a folder that cannot be
/// synced is refused before anything was changed.
final class OpenFolder implements AutoCloseable {

    static final long FLAGS = Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC;

    // As touch and mkdir ask for; the umask of the process takes its bits away.
    private static final long FILE_RIGHTS = 0_666;
    private static final long FOLDER_RIGHTS = 0_777;

    private static final byte[] ITSELF = {'.'};

    private final Descriptor descriptor;

    /// Takes over `descriptor`, which was opened with [#FLAGS].
    OpenFolder(Descriptor descriptor) {
        this.descriptor = descriptor;
    }

    /// Whether anything has this name, be it a link that leads nowhere.
    boolean has(byte[] name, String what) throws IOException {
        return stat(name, what).isPresent();
    }

    /// A new file without a name, for reading and writing; it is gone when closed. Empty where the
    /// file system knows no such files.
    Optional<Descriptor> createUnnamed(String what) throws IOException {
        int result =
                descriptor.tryOpenBeneath(
                        ITSELF, Libc.O_TMPFILE | Libc.O_RDWR | Libc.O_CLOEXEC, FILE_RIGHTS);
        return switch (Errno.of(-result).orElse(null)) {
            case EOPNOTSUPP, EISDIR, ENOENT -> Optional.empty();
            case null, default -> Optional.of(Descriptor.opened(result, what));
        };
    }

    /// A new file by this name, for reading and writing.
    Descriptor create(byte[] name, String what) throws IOException {
        long flags = Libc.O_CREAT | Libc.O_EXCL | Libc.O_RDWR | Libc.O_NOFOLLOW | Libc.O_CLOEXEC;
        return descriptor.openBeneath(name, flags, FILE_RIGHTS, what);
    }

    /// Gives an unnamed file of this folder a name, if that is free.
    void link(Descriptor unnamed, byte[] name, String what) throws IOException {
        check(
                "linkat",
                what,
                unnamed.with(number -> {
                    byte[] link = Descriptor.magicLinkBytes(number);
                    return descriptor.with(folder -> Libc.linkat(link, folder, name));
                }));
    }

    /// Renames over what has the new name: a link is replaced, not followed.
    void rename(byte[] name, byte[] newName, String what) throws IOException {
        check("renameat2", what, descriptor.with(folder -> Libc.rename(folder, name, newName)));
    }

    /// Makes a folder, if the name is free.
    void createFolder(byte[] name, String what) throws IOException {
        check(
                "mkdirat",
                what,
                descriptor.with(folder -> Libc.mkdirat(folder, name, FOLDER_RIGHTS)));
    }

    /// Takes the name of a regular file away. [NoSuchFileException] when it has any other thing.
    void delete(byte[] name, String what) throws IOException {
        if (stat(name, what).filter(Statx::isRegularFile).isEmpty()) {
            throw new NoSuchFileException(what);
        }
        unlink(name, what);
    }

    /// Takes the name away as long as it is that of `file`.
    void deleteIfSame(byte[] name, Descriptor file, String what) throws IOException {
        Statx expected = file.with(number -> Statx.of(number, what));
        if (stat(name, what).filter(expected::isSameFile).isPresent()) {
            unlink(name, what);
        }
    }

    /// Returns when the names in this folder are on the disk, or at once where the file system
    /// does not sync folders. Through the JDK, which lets other virtual threads run meanwhile.
    void sync() throws IOException {
        try (FileChannel channel = descriptor.with(OpenFolder::openChannel)) {
            channel.force(true);
        } catch (IOException failure) {
            if (!Errno.EINVAL.isReasonOf(failure)) {
                throw failure;
            }
        }
    }

    @Override
    public void close() {
        descriptor.close();
    }

    private static FileChannel openChannel(int number) throws IOException {
        return FileChannel.open(Path.of(Descriptor.magicLink(number)), StandardOpenOption.READ);
    }

    private Optional<Statx> stat(byte[] name, String what) throws IOException {
        try {
            return Optional.of(descriptor.with(folder -> Statx.at(folder, name, what)));
        } catch (NoSuchFileException absent) {
            return Optional.empty();
        }
    }

    private void unlink(byte[] name, String what) throws IOException {
        int result = descriptor.with(folder -> Libc.unlinkat(folder, name));
        if (result == -Errno.EISDIR.number()) {
            throw new NoSuchFileException(what);
        }
        check("unlinkat", what, result);
    }

    private static void check(String call, String what, int result) throws IOException {
        if (result < 0) {
            throw Errno.failure(call, what, -result);
        }
    }
}
