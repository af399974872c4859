package dev.dirtymap.posix;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

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

    private static final byte[] ITSELF = {'.'};
    private static final String TEMPORARY = ".dirtymap-";

    /// What a path may have in bytes (`PATH_MAX` less the NUL), and each of its parts.
    private static final int MAX_PATH = 4095;

    private static final int MAX_PART = 255;

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
                        0,
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
        try (Descriptor found = find(relativePath, what)) {
            return found.with(number -> openFound(number, writable, what));
        }
    }

    /// A regular file as it is now. It is not opened, so nobody needs the right to read it.
    ///
    /// [NoSuchFileException] for all that [#openFile(byte\[\], boolean)] would not open.
    public FileStat stat(byte[] relativePath) throws IOException {
        String what = Errno.shown(relativePath);
        try (Descriptor found = find(relativePath, what)) {
            return found.with(number -> requireRegular(number, what)).toFileStat();
        }
    }

    /// Opening a FIFO blocks and opening a device can act, so everything is found by O_PATH first.
    private Descriptor find(byte[] relativePath, String what) throws IOException {
        requireProperParts(relativePath, what);
        return root.openBeneath(
                relativePath, Libc.O_PATH | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0, what);
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
        if (!rootItself) {
            requireProperParts(relativePath, what);
        }
        // O_DIRECTORY makes the kernel refuse all else before it opens anything.
        try (Descriptor folder = root.openBeneath(path, OpenFolder.FLAGS, 0, what)) {
            return folder.with(number -> FolderReader.read(number, what));
        }
    }

    /// Starts a new regular file, which gets its name when [NewFile#publish()] is called and never
    /// replaces anything. Its rights are those that `touch` would give. It is closed by the caller,
    /// and may be after this folder.
    ///
    /// [FileAlreadyExistsException] when the name is taken already, by whatever it is;
    /// [NoSuchFileException] when its folder is missing, or for a path that
    /// [#openFile(byte\[\], boolean)] would not open;
    /// [java.nio.file.AccessDeniedException] when the folder must not be written or not be read, or
    /// the file system is read-only.
    public NewFile createFile(byte[] relativePath) throws IOException {
        String what = Errno.shown(relativePath);
        requireProperParts(relativePath, what);
        return createFile(relativePath, lastPart(relativePath), what);
    }

    /// Writes a small regular file so that there is its old content or the new one at any time, also
    /// after a loss of power, and the new one after the return. What has the name is replaced: a
    /// file with its rights, or a symbolic link itself.
    ///
    /// The new file has a name of its own, `.dirtymap-` and 16 hexadecimal digits, for a moment in
    /// the same folder; a crash may leave it.
    ///
    /// Errors as of [#createFile(byte\[\])], but that the name may be taken.
    public void replaceFile(byte[] relativePath, byte[] content) throws IOException {
        String what = Errno.shown(relativePath);
        requireProperParts(relativePath, what);
        long random = ThreadLocalRandom.current().nextLong();
        byte[] temporary =
                (TEMPORARY + HexFormat.of().toHexDigits(random))
                        .getBytes(StandardCharsets.US_ASCII);
        try (NewFile made = createFile(relativePath, temporary, what)) {
            ByteBuffer source = ByteBuffer.wrap(content);
            while (source.hasRemaining()) {
                made.file().channel().write(source);
            }
            made.publishOver(lastPart(relativePath));
        }
    }

    /// Takes the name of a regular file away, for good when this returns. Who has it open keeps it.
    ///
    /// [NoSuchFileException] for all that [#openFile(byte\[\], boolean)] would not open,
    /// [java.nio.file.AccessDeniedException] when its folder must not be written or not be read, or
    /// the file system is read-only.
    public void delete(byte[] relativePath) throws IOException {
        String what = Errno.shown(relativePath);
        requireProperParts(relativePath, what);
        try (OpenFolder folder = openParent(relativePath, what)) {
            folder.delete(lastPart(relativePath), what);
            folder.sync();
        }
    }

    /// Makes a folder and those it is in, as far as they are missing, for good when this returns. An
    /// empty path is the root itself, which is there. Their rights are those that `mkdir` would
    /// give.
    ///
    /// [NotDirectoryException] when a part is something else, [NoSuchFileException] when it is a
    /// symbolic link and for improper paths, [java.nio.file.AccessDeniedException] when a folder to
    /// make another in must not be written or not be read, or the file system is read-only.
    public void createFolders(byte[] relativePath) throws IOException {
        if (relativePath.length == 0) {
            return;
        }
        requireProperParts(relativePath, Errno.shown(relativePath));
        for (int end = 1; end <= relativePath.length; end++) {
            if (end == relativePath.length || relativePath[end] == '/') {
                byte[] part = Arrays.copyOf(relativePath, end);
                String what = Errno.shown(part);
                if (!isFolder(part, what)) {
                    createFolder(part, what);
                }
            }
        }
    }

    /// Whether a path leads to this folder now: nobody moved it away or mounted something over it. Asks the file
    /// system of the folder, which may be a server that is gone.
    public boolean isAt(Path path) throws IOException {
        String what = path.toString();
        long flags = Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC;
        try (Descriptor there =
                Descriptor.opened(
                        Libc.openat2(Libc.WORKING_FOLDER, bytesOf(path), flags, 0, 0), what)) {
            Statx found = there.with(number -> Statx.of(number, what));
            return root.with(number -> Statx.of(number, what)).isSameFile(found);
        } catch (NoSuchFileException | NotDirectoryException absent) {
            return false;
        }
    }

    /// Bytes that this user may still write to the file system of this folder.
    public long freeBytes() throws IOException {
        return root.with(number -> new File(Descriptor.magicLink(number)).getUsableSpace());
    }

    /// Files that were opened stay open.
    @Override
    public void close() {
        root.close();
    }

    /// In the folder of `path`, by the name `name`.
    private NewFile createFile(byte[] path, byte[] name, String what) throws IOException {
        OpenFolder folder = openParent(path, what);
        try {
            return NewFile.in(folder, name, what);
        } catch (IOException | RuntimeException | Error failure) {
            folder.close();
            throw failure;
        }
    }

    /// The folder of the last part, open for changes in it.
    OpenFolder openParent(byte[] path, String what) throws IOException {
        int slash = lastSlash(path);
        byte[] parent = slash < 0 ? ITSELF : Arrays.copyOf(path, slash);
        return new OpenFolder(root.openBeneath(parent, OpenFolder.FLAGS, 0, what));
    }

    private static byte[] lastPart(byte[] path) {
        return Arrays.copyOfRange(path, lastSlash(path) + 1, path.length);
    }

    private static int lastSlash(byte[] path) {
        int slash = path.length - 1;
        while (slash >= 0 && path[slash] != '/') {
            slash--;
        }
        return slash;
    }

    /// False when there is nothing, or a link.
    private boolean isFolder(byte[] path, String what) throws IOException {
        // Without O_NOFOLLOW, with which a link would be ENOTDIR and not ELOOP.
        int result = root.tryOpenBeneath(path, Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        if (result == -Errno.ENOTDIR.number()) {
            throw new NotDirectoryException(what);
        }
        try {
            Descriptor.opened(result, what).close();
            return true;
        } catch (NoSuchFileException absent) {
            return false;
        }
    }

    private void createFolder(byte[] path, String what) throws IOException {
        try (OpenFolder parent = openParent(path, what)) {
            parent.createFolder(lastPart(path), what);
            parent.sync();
        } catch (FileAlreadyExistsException found) {
            if (!isFolder(path, what)) {
                throw new NoSuchFileException(what);
            }
        }
    }

    /// Through the magic link it is the inode that was looked at, even when its name has changed
    /// hands meanwhile.
    private static PosixFile openFound(int number, boolean writable, String what)
            throws IOException {
        requireRegular(number, what);
        long access = writable ? Libc.O_RDWR : Libc.O_RDONLY;
        return new PosixFile(Descriptor.reopen(number, access, what), writable, what);
    }

    private static Statx requireRegular(int number, String what) throws IOException {
        Statx stat = Statx.of(number, what);
        if (!stat.isRegularFile()) {
            throw new NoSuchFileException(what);
        }
        return stat;
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
    private static void requireProperParts(byte[] path, String what) throws NoSuchFileException {
        if (!hasProperParts(path)) {
            throw new NoSuchFileException(what);
        }
    }

    private static boolean hasProperParts(byte[] path) {
        if (path.length > MAX_PATH) {
            return false;
        }
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
        return length > 0 && length <= MAX_PART && !dots;
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
