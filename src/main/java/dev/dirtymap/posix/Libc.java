package dev.dirtymap.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/// Every native call of the service. The reason to have any: the JDK cannot open a file beneath a
/// folder without a race, cannot name a file by bytes, and knows only the POSIX locks that vanish
/// when *any* descriptor of the file is closed. Whoever reviews the use of native code reads this
/// class; it is the only one where the compiler's warning about restricted methods is suppressed.
///
/// Four symbols serve: `close`, `fcntl` and `strerror`, and `syscall` for each [SystemCall]: some
/// have no function in glibc (`openat2`), others not in every C library (`statx`, `renameat2`), and
/// the rest takes the same way. musl has the same four.
///
/// Results follow the kernel's own convention: zero or more is success, less is the negated errno.
/// The C library's `errno` is captured by the linker right after each call, since the JVM may
/// change it before Java code runs again. Each call has its own confined arena. A call that a
/// signal interrupted (`EINTR`) is made again.
@SuppressWarnings("restricted")
final class Libc {

    private static final Architecture ARCHITECTURE = Architecture.current();

    // <fcntl.h>, the same on both architectures
    static final long O_RDONLY = 0;
    static final long O_RDWR = 2;
    static final long O_CREAT = 0x40;
    static final long O_EXCL = 0x80;
    static final long O_CLOEXEC = 0x8_0000;
    static final long O_PATH = 0x20_0000;
    static final long O_DIRECTORY = ARCHITECTURE.directoryFlag();
    static final long O_NOFOLLOW = ARCHITECTURE.noFollowFlag();
    static final long O_TMPFILE = 0x40_0000 | O_DIRECTORY;

    /// `AT_FDCWD` as the folder's descriptor: a relative path starts at the working folder.
    static final int WORKING_FOLDER = -100;

    // <linux/fcntl.h>, flags of statx and linkat
    static final int AT_SYMLINK_NOFOLLOW = 0x100;
    static final int AT_SYMLINK_FOLLOW = 0x400;
    static final int AT_EMPTY_PATH = 0x1000;

    // <linux/openat2.h>
    static final long RESOLVE_NO_MAGICLINKS = 0x02;
    static final long RESOLVE_NO_SYMLINKS = 0x04;
    static final long RESOLVE_BENEATH = 0x08;

    // <linux/falloc.h>
    static final int FALLOC_FL_KEEP_SIZE = 0x01;
    static final int FALLOC_FL_PUNCH_HOLE = 0x02;

    // <linux/fs.h>, where lseek goes
    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;

    // <fcntl.h>, lock types
    static final short F_RDLCK = 0;
    static final short F_WRLCK = 1;
    static final short F_UNLCK = 2;

    private static final int F_OFD_GETLK = 36;
    private static final int F_OFD_SETLK = 37;
    private static final short SEEK_SET = 0;

    /// `struct flock` of 64-bit Linux: `short l_type` at 0, `short l_whence` at 2, `long l_start`
    /// at 8, `long l_len` at 16, `int l_pid` at 24 (must be 0 for OFD locks), padded to 32 bytes.
    private static final long FLOCK_SIZE = 32;

    private static final long FLOCK_TYPE = 0;
    private static final long FLOCK_WHENCE = 2;
    private static final long FLOCK_START = 8;
    private static final long FLOCK_LENGTH = 16;

    /// `struct open_how`: `u64 flags` at 0, `u64 mode` at 8 (must be 0 unless a file is created),
    /// `u64 resolve` at 16.
    private static final long OPEN_HOW_SIZE = 24;

    private static final long OPEN_HOW_FLAGS = 0;
    private static final long OPEN_HOW_MODE = 8;
    private static final long OPEN_HOW_RESOLVE = 16;

    /// Longer texts of `strerror` would be cut; the longest of glibc has 50 bytes.
    private static final long STRERROR_MAX = 1024;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CALL_STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    /// `long syscall(long number, ...)`, always with five arguments: the kernel reads only those
    /// that the call has.
    private static final MethodHandle SYSCALL =
            capturing(
                    "syscall",
                    FunctionDescriptor.of(
                            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                            JAVA_LONG),
                    Linker.Option.firstVariadicArg(1));

    /// `int fcntl(int descriptor, int command, ...)`, here always with a `struct flock *`.
    private static final MethodHandle FCNTL =
            capturing(
                    "fcntl",
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS),
                    Linker.Option.firstVariadicArg(2));

    /// `int close(int descriptor)`
    private static final MethodHandle CLOSE =
            LINKER.downcallHandle(symbol("close"), FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    /// `char *strerror(int errno)`
    private static final MethodHandle STRERROR =
            LINKER.downcallHandle(symbol("strerror"), FunctionDescriptor.of(ADDRESS, JAVA_INT));

    private Libc() {}

    /// The new descriptor of `path`, looked up from `folder` (a descriptor or [#WORKING_FOLDER]) as
    /// the `RESOLVE_` bits of `resolve` allow, or the negated errno. `mode` is for a file that is
    /// created, less the umask, and 0 otherwise. See openat2(2).
    static int openat2(int folder, byte[] path, long flags, long mode, long resolve) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment how = arena.allocate(OPEN_HOW_SIZE, Long.BYTES);
            how.set(JAVA_LONG, OPEN_HOW_FLAGS, flags);
            how.set(JAVA_LONG, OPEN_HOW_MODE, mode);
            how.set(JAVA_LONG, OPEN_HOW_RESOLVE, resolve);
            long name = terminated(path, arena).address();
            long at = how.address();
            return syscall(arena, SystemCall.OPENAT2, folder, name, at, OPEN_HOW_SIZE, 0);
        }
    }

    /// Fills `buffer`, a `struct statx`, and returns 0, or the negated errno. See statx(2).
    static int statx(int folder, byte[] path, int flags, int mask, MemorySegment buffer) {
        try (Arena arena = Arena.ofConfined()) {
            long name = terminated(path, arena).address();
            return syscall(arena, SystemCall.STATX, folder, name, flags, mask, buffer.address());
        }
    }

    /// Fills `buffer` with the next `struct linux_dirent64`s of an open folder and returns how many
    /// bytes they take (0: no more), or the negated errno. See getdents64(2).
    static int getdents64(int folder, MemorySegment buffer) {
        try (Arena arena = Arena.ofConfined()) {
            long size = buffer.byteSize();
            return syscall(arena, SystemCall.GETDENTS64, folder, buffer.address(), size, 0, 0);
        }
    }

    /// The first offset from `offset` on that holds data (`SEEK_DATA`) or a hole (`SEEK_HOLE`), or the
    /// negated errno. Moves the file position, which nothing here uses. See lseek(2).
    static long lseek(int descriptor, long offset, int whence) {
        try (Arena arena = Arena.ofConfined()) {
            return longSyscall(arena, SystemCall.LSEEK, descriptor, offset, whence, 0, 0);
        }
    }

    /// Changes the disk space of a range as the `FALLOC_FL_` bits of `mode` say: 0, or the negated
    /// errno. See fallocate(2).
    static int fallocate(int descriptor, int mode, long offset, long length) {
        try (Arena arena = Arena.ofConfined()) {
            return syscall(arena, SystemCall.FALLOCATE, descriptor, mode, offset, length, 0);
        }
    }

    /// Gives what `link` (a magic link, absolute) leads to the further name `newName` in the open
    /// folder `newFolder`, if that is free: 0, or the negated errno. See linkat(2).
    static int linkat(byte[] link, int newFolder, byte[] newName) {
        try (Arena arena = Arena.ofConfined()) {
            long from = terminated(link, arena).address();
            long to = terminated(newName, arena).address();
            int flags = AT_SYMLINK_FOLLOW;
            return syscall(arena, SystemCall.LINKAT, WORKING_FOLDER, from, newFolder, to, flags);
        }
    }

    /// Renames within one open folder, over what has the new name: 0, or the negated errno. See
    /// renameat2(2).
    static int rename(int folder, byte[] name, byte[] newName) {
        try (Arena arena = Arena.ofConfined()) {
            long from = terminated(name, arena).address();
            long to = terminated(newName, arena).address();
            return syscall(arena, SystemCall.RENAMEAT2, folder, from, folder, to, 0);
        }
    }

    /// Takes away the name of something that is no folder: 0, or the negated errno. See
    /// unlinkat(2).
    static int unlinkat(int folder, byte[] name) {
        try (Arena arena = Arena.ofConfined()) {
            long path = terminated(name, arena).address();
            return syscall(arena, SystemCall.UNLINKAT, folder, path, 0, 0, 0);
        }
    }

    /// Makes a folder with the rights `mode`, less the umask: 0, or the negated errno. See
    /// mkdirat(2).
    static int mkdirat(int folder, byte[] name, long mode) {
        try (Arena arena = Arena.ofConfined()) {
            long path = terminated(name, arena).address();
            return syscall(arena, SystemCall.MKDIRAT, folder, path, mode, 0, 0);
        }
    }

    /// Sets or (`F_UNLCK`) removes the OFD lock on `length` bytes from `start` without waiting: 0,
    /// or the negated errno. See F_OFD_SETLK in fcntl(2).
    static int setLock(int descriptor, short type, long start, long length) {
        try (Arena arena = Arena.ofConfined()) {
            return fcntl(arena, descriptor, F_OFD_SETLK, flock(arena, type, start, length));
        }
    }

    /// The type of a lock that would keep this descriptor from a lock of `type` on `length` bytes
    /// from `start`, `F_UNLCK` for none, or the negated errno. See F_OFD_GETLK in fcntl(2).
    static int conflictingLock(int descriptor, short type, long start, long length) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment flock = flock(arena, type, start, length);
            int result = fcntl(arena, descriptor, F_OFD_GETLK, flock);
            return result < 0 ? result : flock.get(JAVA_SHORT, FLOCK_TYPE);
        }
    }

    /// Never repeated, and its errno is of no use: Linux has freed the number also when it reports
    /// `EINTR` or `EIO`.
    static void close(int descriptor) {
        try {
            int ignored = (int) CLOSE.invokeExact(descriptor);
        } catch (Throwable impossible) {
            throw notDeclared(impossible);
        }
    }

    /// What the C library says about an errno, in the language of the locale.
    static String strerror(int errno) {
        return strerror(errno, StandardCharsets.UTF_8);
    }

    /// The same, read as text of `charset`.
    static String strerror(int errno, Charset charset) {
        try {
            MemorySegment text = (MemorySegment) STRERROR.invokeExact(errno);
            byte[] bytes =
                    text.reinterpret(STRERROR_MAX)
                            .getString(0, StandardCharsets.ISO_8859_1)
                            .getBytes(StandardCharsets.ISO_8859_1);
            return new String(bytes, charset);
        } catch (Throwable impossible) {
            throw notDeclared(impossible);
        }
    }

    /// The results of all calls made here fit an `int`, but for offsets.
    private static int syscall(
            Arena arena, SystemCall call, long a, long b, long c, long d, long e) {
        return Math.toIntExact(longSyscall(arena, call, a, b, c, d, e));
    }

    private static long longSyscall(
            Arena arena, SystemCall call, long a, long b, long c, long d, long e) {
        MemorySegment state = arena.allocate(CALL_STATE);
        long number = call.on(ARCHITECTURE);
        try {
            while (true) {
                long result = (long) SYSCALL.invokeExact(state, number, a, b, c, d, e);
                if (result >= 0) {
                    return result;
                }
                int errno = errno(state);
                if (errno != Errno.EINTR.number()) {
                    return -errno;
                }
            }
        } catch (Throwable impossible) {
            throw notDeclared(impossible);
        }
    }

    private static int fcntl(Arena arena, int descriptor, int command, MemorySegment flock) {
        MemorySegment state = arena.allocate(CALL_STATE);
        try {
            while (true) {
                int result = (int) FCNTL.invokeExact(state, descriptor, command, flock);
                if (result >= 0) {
                    return result;
                }
                int errno = errno(state);
                if (errno != Errno.EINTR.number()) {
                    return -errno;
                }
            }
        } catch (Throwable impossible) {
            throw notDeclared(impossible);
        }
    }

    private static MemorySegment flock(Arena arena, short type, long start, long length) {
        MemorySegment flock = arena.allocate(FLOCK_SIZE, Long.BYTES);
        flock.set(JAVA_SHORT, FLOCK_TYPE, type);
        flock.set(JAVA_SHORT, FLOCK_WHENCE, SEEK_SET);
        flock.set(JAVA_LONG, FLOCK_START, start);
        flock.set(JAVA_LONG, FLOCK_LENGTH, length);
        return flock;
    }

    /// A C string; fresh native memory is zero, so the terminator is there.
    private static MemorySegment terminated(byte[] path, Arena arena) {
        MemorySegment text = arena.allocate(path.length + 1L);
        MemorySegment.copy(path, 0, text, JAVA_BYTE, 0, path.length);
        return text;
    }

    private static int errno(MemorySegment state) {
        return (int) ERRNO.get(state, 0L);
    }

    private static MethodHandle capturing(
            String name, FunctionDescriptor function, Linker.Option variadic) {
        return LINKER.downcallHandle(
                symbol(name), function, variadic, Linker.Option.captureCallState("errno"));
    }

    private static MemorySegment symbol(String name) {
        return LINKER.defaultLookup().findOrThrow(name);
    }

    /// A downcall declares [Throwable] and throws only what is a defect of this class or of the
    /// JVM.
    private static Error notDeclared(Throwable impossible) {
        return impossible instanceof Error error ? error : new AssertionError(impossible);
    }
}
