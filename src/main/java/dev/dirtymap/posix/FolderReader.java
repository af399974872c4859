package dev.dirtymap.posix;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Reads an open folder as `struct linux_dirent64`s, which the kernel packs into a buffer.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | `d_ino` |
/// | 8 | 8 | `d_off`, of no meaning |
/// | 16 | 2 | `d_reclen`: from here to the next, a multiple of 8 |
/// | 18 | 1 | `d_type` |
/// | 19 | | `d_name`, ends with a NUL |
///
/// See getdents64(2).
final class FolderReader {

    // d_type in <dirent.h>
    static final byte DT_UNKNOWN = 0;
    static final byte DT_DIR = 4;
    static final byte DT_REG = 8;

    private static final long LENGTH = 16;
    private static final long TYPE = 18;
    private static final long NAME = 19;

    /// In bytes; what the C library takes. About 1000 names of usual length a call.
    private static final long BUFFER_SIZE = 32 * 1024;

    private FolderReader() {}

    /// From the descriptor's position, so of a descriptor that was just opened, to the end.
    static List<FolderEntry> read(int folder, String what) throws IOException {
        List<FolderEntry> entries = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(BUFFER_SIZE, JAVA_LONG.byteAlignment());
            while (true) {
                int filled = Libc.getdents64(folder, buffer);
                if (filled < 0) {
                    throw Errno.failure("getdents64", what, -filled);
                }
                if (filled == 0) {
                    return entries;
                }
                for (long start = 0; start < filled; ) {
                    long length = Short.toUnsignedLong(buffer.get(JAVA_SHORT, start + LENGTH));
                    byte type = buffer.get(JAVA_BYTE, start + TYPE);
                    byte[] name = name(buffer.asSlice(start + NAME, length - NAME));
                    entry(folder, name, type, what).ifPresent(entries::add);
                    start += length;
                }
            }
        }
    }

    /// Empty for what is not listed: `.`, `..`, all that is neither a regular file nor a folder,
    /// and what vanished meanwhile. Some file systems do not keep the type in the folder and say
    /// `DT_UNKNOWN`.
    static Optional<FolderEntry> entry(int folder, byte[] name, byte type, String what)
            throws IOException {
        if (isDots(name)) {
            return Optional.empty();
        }
        return switch (type) {
            case DT_REG -> Optional.of(new FolderEntry(name, false));
            case DT_DIR -> Optional.of(new FolderEntry(name, true));
            case DT_UNKNOWN -> {
                try {
                    Statx stat = Statx.at(folder, name, what + "/" + Errno.shown(name));
                    yield stat.isFolder() || stat.isRegularFile()
                            ? Optional.of(new FolderEntry(name, stat.isFolder()))
                            : Optional.empty();
                } catch (NoSuchFileException vanished) {
                    yield Optional.empty();
                }
            }
            default -> Optional.empty();
        };
    }

    private static byte[] name(MemorySegment padded) {
        long end = 0;
        while (padded.get(JAVA_BYTE, end) != 0) {
            end++;
        }
        return padded.asSlice(0, end).toArray(JAVA_BYTE);
    }

    private static boolean isDots(byte[] name) {
        return name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
    }
}
