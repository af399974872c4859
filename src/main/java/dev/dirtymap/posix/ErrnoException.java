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
}
