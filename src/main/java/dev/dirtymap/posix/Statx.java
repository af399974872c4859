package dev.dirtymap.posix;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The `struct statx` of `<linux/stat.h>`, as far as it is needed here. Unlike `struct stat` it is
/// the same on every architecture.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | `stx_mask`: which fields the file system has filled |
/// | 28 | 2 | `stx_mode`: type and permissions |
/// | 32 | 8 | `stx_ino` |
/// | 40 | 8 | `stx_size` in bytes |
/// | 48 | 8 | `stx_blocks` in units of 512 bytes |
/// | 80 | 16 | `stx_btime`: `s64` seconds, `u32` nanoseconds, padding |
/// | 96 | 16 | `stx_ctime`: the same |
/// | 112 | 16 | `stx_mtime`: the same |
/// | 136 | 4 | `stx_dev_major` |
/// | 140 | 4 | `stx_dev_minor` |
record Statx(
        int mode,
        int deviceMajor,
        int deviceMinor,
        long inode,
        long size,
        long blocks,
        long modifiedSeconds,
        int modifiedNanoOfSecond,
        long changedSeconds,
        int changedNanoOfSecond,
        long bornSeconds,
        int bornNanoOfSecond) {

    static final long SIZE = 256;

    /// `STATX_BASIC_STATS`: all that `stat` tells.
    private static final int BASIC_STATS = 0x7ff;

    /// `STATX_BTIME`, which not every file system knows.
    private static final int BORN = 0x800;

    /// `AT_STATX_FORCE_SYNC`: what the file server says now, and not what it said up to a minute ago.
    private static final int FORCE_SYNC = 0x2000;

    // the type of a file, the high bits of its mode
    private static final int S_IFMT = 0xf000;
    private static final int S_IFDIR = 0x4000;
    private static final int S_IFREG = 0x8000;

    private static final long BLOCK_SIZE = 512;
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    /// Of the file that `descriptor` holds.
    static Statx of(int descriptor, String what) throws IOException {
        return of(descriptor, new byte[0], Libc.AT_EMPTY_PATH, what);
    }

    /// Of `name` in the open folder `folder`; of a symbolic link itself, not of where it points.
    static Statx at(int folder, byte[] name, String what) throws IOException {
        return of(folder, name, Libc.AT_SYMLINK_NOFOLLOW, what);
    }

    private static Statx of(int folder, byte[] name, int flags, String what) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(SIZE, Long.BYTES);
            int result = Libc.statx(folder, name, flags | FORCE_SYNC, BASIC_STATS | BORN, buffer);
            if (result < 0) {
                throw Errno.failure("statx", what, -result);
            }
            return parse(buffer);
        }
    }

    static Statx parse(MemorySegment struct) {
        boolean born = (struct.get(JAVA_INT, 0) & BORN) != 0;
        return new Statx(
                Short.toUnsignedInt(struct.get(JAVA_SHORT, 28)),
                struct.get(JAVA_INT, 136),
                struct.get(JAVA_INT, 140),
                struct.get(JAVA_LONG, 32),
                struct.get(JAVA_LONG, 40),
                struct.get(JAVA_LONG, 48),
                struct.get(JAVA_LONG, 112),
                struct.get(JAVA_INT, 120),
                struct.get(JAVA_LONG, 96),
                struct.get(JAVA_INT, 104),
                born ? struct.get(JAVA_LONG, 80) : 0,
                born ? struct.get(JAVA_INT, 88) : 0);
    }

    boolean isRegularFile() {
        return (mode & S_IFMT) == S_IFREG;
    }

    boolean isFolder() {
        return (mode & S_IFMT) == S_IFDIR;
    }

    boolean isSameFile(Statx other) {
        return inode == other.inode && device() == other.device();
    }

    /// Anyone may give a file a modification time that a `long` cannot count in nanoseconds (after the year
    /// 2262); it wraps around then, since such times are only ever compared.
    FileStat toFileStat() {
        return new FileStat(
                device(),
                inode,
                size,
                Math.multiplyExact(blocks, BLOCK_SIZE),
                nanos(modifiedSeconds, modifiedNanoOfSecond),
                nanos(changedSeconds, changedNanoOfSecond),
                nanos(bornSeconds, bornNanoOfSecond));
    }

    /// Joined as the C library's `makedev` does: the low 8 bits of the minor number, the low 12 of
    /// the major, the rest of both.
    private long device() {
        long major = Integer.toUnsignedLong(deviceMajor);
        long minor = Integer.toUnsignedLong(deviceMinor);
        return (minor & 0xff)
                | (major & 0xfff) << 8
                | (minor & ~0xffL) << 12
                | (major & ~0xfffL) << 32;
    }

    private static long nanos(long seconds, int nanoOfSecond) {
        return seconds * NANOS_PER_SECOND + nanoOfSecond;
    }
}
