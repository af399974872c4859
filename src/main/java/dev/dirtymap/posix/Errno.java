package dev.dirtymap.posix;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.Optional;

/// The errors that the calls of this package are known to give, and what each becomes. The numbers
/// are those of `asm-generic/errno.h`, which x86_64 and aarch64 share.
enum Errno {
    EPERM(1),
    ENOENT(2),
    EINTR(4),
    EIO(5),
    ENXIO(6),
    E2BIG(7),
    EBADF(9),
    EAGAIN(11),
    ENOMEM(12),
    EACCES(13),
    EFAULT(14),
    EBUSY(16),
    EEXIST(17),
    EXDEV(18),
    ENODEV(19),
    ENOTDIR(20),
    EISDIR(21),
    EINVAL(22),
    ENFILE(23),
    EMFILE(24),
    ETXTBSY(26),
    EFBIG(27),
    ENOSPC(28),
    EROFS(30),
    EMLINK(31),
    EDEADLK(35),
    ENAMETOOLONG(36),
    ENOLCK(37),
    ENOSYS(38),
    ELOOP(40),
    EOVERFLOW(75),
    EILSEQ(84),
    EOPNOTSUPP(95),
    ENOTCONN(107),
    ETIMEDOUT(110),
    EHOSTDOWN(112),
    ESTALE(116),
    EUCLEAN(117),
    EREMOTEIO(121),
    EDQUOT(122);

    /// By which the JDK reads texts of the C library.
    private static final Charset JDK_CHARSET =
            Charset.forName(System.getProperty("native.encoding", "UTF-8"), StandardCharsets.UTF_8);

    private final int number;

    Errno(int number) {
        this.number = number;
    }

    int number() {
        return number;
    }

    static Optional<Errno> of(int number) {
        return Arrays.stream(values()).filter(errno -> errno.number == number).findFirst();
    }

    /// The exception for a failed `call` on `what` (a name to be shown). The refusals of `openat2`
    /// are "no such file": `ELOOP` (a symbolic or magic link), `EXDEV` (the way leads out of the
    /// folder), `ENOTDIR` (a part is no folder), `ENAMETOOLONG` (no file can have such a name),
    /// `ESTALE` (removed on the file server). `EPERM` is the answer to opening an immutable file
    /// for writing. `EROFS` is no right that anyone has, so it is "denied", and says why.
    static IOException failure(String call, String what, int number) {
        return switch (of(number).orElse(null)) {
            case ENOENT, ENOTDIR, ELOOP, EXDEV, ENAMETOOLONG, ESTALE ->
                    new NoSuchFileException(what);
            case EACCES, EPERM -> new AccessDeniedException(what);
            case EROFS -> new AccessDeniedException(what, null, "the file system is read-only");
            case EEXIST -> new FileAlreadyExistsException(what);
            case null, default -> new ErrnoException(call, what, number);
        };
    }

    /// Whether `failure` of this package or of the JDK is this error. The JDK keeps no number, only
    /// the C library's text, which is in the language of the locale, as the message or (in
    /// [FileSystemException]) as the reason. So the C library is asked for its text once more, and
    /// its bytes are read as the JDK reads them.
    boolean isReasonOf(IOException failure) {
        if (failure instanceof ErrnoException ours) {
            return ours.errno() == number;
        }
        String text =
                failure instanceof FileSystemException named
                        ? named.getReason()
                        : failure.getMessage();
        return text != null
                && (text.equals(Libc.strerror(number, JDK_CHARSET))
                        || text.equals(Libc.strerror(number)));
    }

    /// `EMFILE (Too many open files)`
    static String describe(int number) {
        String name = of(number).map(Errno::name).orElse("errno " + number);
        return name + " (" + Libc.strerror(number) + ")";
    }

    /// Bytes of a name as text for a message.
    static String shown(byte[] name) {
        return new String(name, StandardCharsets.UTF_8);
    }
}
