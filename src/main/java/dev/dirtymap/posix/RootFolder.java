package dev.dirtymap.posix;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;

/// A folder that is opened once, and the only way to the files beneath it.
///
/// Checking a path and then opening it is a race: between the two, a part can become a symbolic
/// link. So the kernel itself is asked, in the one call that opens, not to leave the folder
/// (`RESOLVE_BENEATH`), not to follow any symbolic link (`RESOLVE_NO_SYMLINKS`), nor a link of
/// `/proc` (`RESOLVE_NO_MAGICLINKS`); see openat2(2). `RESOLVE_NO_XDEV` is not set: whoever mounts
/// a volume below the root means it. Since a descriptor is held, the root stays the same folder
/// when its name is moved away.
///
/// Safe for use by many threads. After [#close()] every call throws
/// [java.nio.channels.ClosedChannelException].
public final class RootFolder implements AutoCloseable {

    private static final long BENEATH =
            Libc.RESOLVE_BENEATH | Libc.RESOLVE_NO_SYMLINKS | Libc.RESOLVE_NO_MAGICLINKS;
    private static final byte[] ITSELF = {'.'};

    /// `RESOLVE_BENEATH` says `EAGAIN` when a rename anywhere keeps the kernel from being sure. It
    /// needs a `..` to come to that, and those are refused before, so this is for kernels to come.
    private static final int ATTEMPTS = 16;

    private final Descriptor root;

    private RootFolder(Descriptor root) {
        this.root = root;
    }

    /// Opens the root. It may itself be a symbolic link, which is resolved once, here.
    ///
    /// Throws [NoSuchFileException] when it is missing, [NotDirectoryException] when it is
    /// something else, and [IOException] with a sentence for the operator when the kernel, a
    /// seccomp filter or a missing `/proc` makes the promises of this class impossible.
    public static RootFolder open(Path folder) throws IOException {
        String what = folder.toString();
        int number =
                Libc.openat2(
                        Libc.WORKING_FOLDER,
                        bytesOf(folder),
                        Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC,
                        0);
        if (number == -Errno.ENOTDIR.number()) {
            throw new NotDirectoryException(what);
        }
        if (number == -Errno.ENOSYS.number() || number == -Errno.EPERM.number()) {
            throw new IOException(
                    "openat2 keeps every open beneath "
                            + what
                            + " and must be allowed (Linux 5.6 or later,"
                            + " no seccomp filter against it) but was refused: "
                            + Errno.describe(-number));
        }
        Descriptor root = Descriptor.opened(number, what);
        try {
            root.with(RootFolder::requireMagicLinks);
            return new RootFolder(root);
        } catch (IOException | RuntimeException | Error failure) {
            root.close();
            throw failure;
        }
    }

    /// Opens a regular file for reading, or for reading and writing.
    ///
    /// `relativePath` is parts separated by `/`, each 1 to 255 bytes, at most 4095 in all.
    /// [NoSuchFileException] for all that is no regular file by such a path: missing, empty,
    /// absolute, with a part that is empty, `.` or `..`, a trailing slash, a NUL, a symbolic or
    /// magic link anywhere, a folder, FIFO, socket or device. [java.nio.file.AccessDeniedException]
    /// when permissions forbid it, [ErrnoException] for the rest.
    public PosixFile openFile(byte[] relativePath, boolean writable) throws IOException {
        String what = Errno.shown(relativePath);
        if (!hasProperParts(relativePath)) {
            throw new NoSuchFileException(what);
        }
        // Opening a FIFO blocks and opening a device can act, so O_PATH first, which only finds.
        try (Descriptor found =
                openBeneath(relativePath, Libc.O_PATH | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, what)) {
            return found.with(number -> openFound(number, writable, what));
        }
    }

    /// The regular files and sub-folders of a folder, in no order, without `.`, `..` and everything
    /// else (links, devices, FIFOs, sockets). An empty path is the root itself; other paths are as
    /// for [#openFile(byte\[\], boolean)].
    ///
    /// [NoSuchFileException] when there is no such folder (any more),
    /// [java.nio.file.AccessDeniedException] when it must not be read.
    public List<FolderEntry> list(byte[] relativePath) throws IOException {
        boolean rootItself = relativePath.length == 0;
        byte[] path = rootItself ? ITSELF : relativePath;
        String what = Errno.shown(path);
        if (!rootItself && !hasProperParts(relativePath)) {
            throw new NoSuchFileException(what);
        }
        // O_DIRECTORY makes the kernel refuse all else before it opens anything.
        try (Descriptor folder =
                openBeneath(
                        path,
                        Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC,
                        what)) {
            return folder.with(number -> FolderReader.read(number, what));
        }
    }

    /// Files that were opened stay open.
    @Override
    public void close() {
        root.close();
    }

    private Descriptor openBeneath(byte[] path, long flags, String what) throws IOException {
        return root.with(number -> {
            int result = Libc.openat2(number, path, flags, BENEATH);
            for (int attempt = 1;
                    result == -Errno.EAGAIN.number() && attempt < ATTEMPTS;
                    attempt++) {
                Thread.onSpinWait();
                result = Libc.openat2(number, path, flags, BENEATH);
            }
            return Descriptor.opened(result, what);
        });
    }

    /// Through the magic link it is the inode that was looked at, even when its name has changed
    /// hands meanwhile.
    private static PosixFile openFound(int number, boolean writable, String what)
            throws IOException {
        if (!Statx.of(number, what).isRegularFile()) {
            throw new NoSuchFileException(what);
        }
        long access = writable ? Libc.O_RDWR : Libc.O_RDONLY;
        return new PosixFile(Descriptor.reopen(number, access, what), writable, what);
    }

    /// By a use of the folder itself, so that a missing `/proc` is told now and not for each file.
    private static boolean requireMagicLinks(int number) throws IOException {
        String link = Descriptor.magicLink(number);
        try {
            Descriptor.reopen(number, Libc.O_PATH | Libc.O_DIRECTORY, link).close();
            return true;
        } catch (IOException failure) {
            throw new IOException(
                    "/proc must be mounted but " + link + " could not be opened", failure);
        }
    }

    /// The kernel would refuse most of these as well, but not all in the same way: it takes `a//b`,
    /// `a/./b` and `a/b/../c`.
    private static boolean hasProperParts(byte[] path) {
        int partStart = 0;
        for (int i = 0; i <= path.length; i++) {
            if (i == path.length || path[i] == '/') {
                if (!isProperPart(path, partStart, i)) {
                    return false;
                }
                partStart = i + 1;
            } else if (path[i] == 0) {
                return false;
            }
        }
        return true;
    }

    private static boolean isProperPart(byte[] path, int start, int end) {
        int length = end - start;
        boolean dots = length <= 2 && length > 0 && path[start] == '.' && path[end - 1] == '.';
        return length > 0 && !dots;
    }

    /// The exact bytes of an absolute path. A path's text has lost what the locale cannot say; its
    /// URI has every byte, as itself or as `%` and two digits.
    private static byte[] bytesOf(Path path) {
        String escaped = path.toUri().getRawPath();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(escaped.length());
        for (int i = 0; i < escaped.length(); i++) {
            if (escaped.charAt(i) == '%') {
                bytes.write(Integer.parseInt(escaped, i + 1, i + 3, 16));
                i += 2;
            } else {
                bytes.write(escaped.charAt(i));
            }
        }
        return bytes.toByteArray();
    }
}
