package dev.dirtymap.posix;

import java.io.IOException;
import java.io.Serial;

/// A system call failed for a reason that has no exception of its own in `java.nio.file`. The
/// message has the call, the file and the reason, for instance `openat2 vm1/disk0.qcow2: EMFILE
/// (Too many open files)`.
public final class ErrnoException extends IOException {

    @Serial private static final long serialVersionUID = 1L;

    private final int errno;

    ErrnoException(String call, String what, int errno) {
        super(call + " " + what + ": " + Errno.describe(errno));
        this.errno = errno;
    }

    /// The number as Linux gives it, for instance 24 for `EMFILE`.
    public int errno() {
        return errno;
    }

    /// Whether the disk is full, or what this user may take of it, or the file is as large as the file system
    /// lets it be.
    public boolean isNoSpace() {
        return isNoSpace(this);
    }

    /// The same for any failure, also of the JDK's own [java.nio.channels.FileChannel#write], which
    /// throws an [IOException] without a kind. Works in every language of the C library.
    public static boolean isNoSpace(IOException failure) {
        return Errno.ENOSPC.isReasonOf(failure)
                || Errno.EDQUOT.isReasonOf(failure)
                || Errno.EFBIG.isReasonOf(failure);
    }
}
