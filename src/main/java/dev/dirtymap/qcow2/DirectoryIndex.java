package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Where each entry of a bitmap directory starts, found in one pass. A directory may be 64 MiB of names,
/// so only a few bytes of each entry are kept.
///
/// @param starts file offset of each entry, in directory order
/// @param duplicates the entries whose name another entry has too
/// @param withinBudget how many entries may have their tables checked ([Rule#TABLES_TOTAL])
/// @param violation the first rule that the directory as a whole breaks; null for none
record DirectoryIndex(
        long[] starts, BitSet duplicates, int withinBudget, @Nullable Violation violation) {

    static final DirectoryIndex EMPTY = new DirectoryIndex(new long[0], new BitSet(), 0, null);

    /// Bytes of bitmap tables that are read of one image when its state is asked for.
    static final long TABLE_BUDGET = 1L << 30;

    private record NameDigest(long high, long low) {}

    /// Walks the directory as far as it can be followed.
    static DirectoryIndex scan(Window window, BitmapsExtension extension) throws IOException {
        long first = extension.directoryOffset();
        long end = first + extension.directorySize();
        long[] starts = new long[Math.min(extension.bitmapCount(), 1024)];
        BitSet duplicates = new BitSet();
        Map<NameDigest, Integer> names = new HashMap<>();
        MessageDigest sha = sha256();
        Violation violation = null;
        long tableBytes = 0;
        int withinBudget = 0;
        int count = 0;
        long at = first;
        while (at < end && count < BitmapsExtension.MAX_BITMAPS) {
            if (end - at < DirectoryEntry.SIZE) {
                violation = sum(first, at + DirectoryEntry.SIZE - first, extension);
                break;
            }
            if (!window.holds(at, DirectoryEntry.SIZE)) {
                violation = pastEnd(at, extension, window);
                break;
            }
            DirectoryEntry entry = DirectoryEntry.parse(at, window.view(at, DirectoryEntry.SIZE));
            if (entry.length() > end - at) {
                violation = sum(first, at + entry.length() - first, extension);
                break;
            }
            if (!window.holds(at, entry.length())) {
                violation = pastEnd(at, extension, window);
                break;
            }
            sha.update(window.view(entry.nameOffset(), entry.nameSize()));
            ByteBuffer digest = ByteBuffer.wrap(sha.digest());
            Integer twin =
                    names.putIfAbsent(new NameDigest(digest.getLong(), digest.getLong()), count);
            if (twin != null) {
                duplicates.set(twin);
                duplicates.set(count);
            }
            tableBytes += Math.min(entry.tableSize() * Long.BYTES, TABLE_BUDGET);
            if (tableBytes <= TABLE_BUDGET) {
                withinBudget = count + 1;
            }
            if (count == starts.length) {
                starts = Arrays.copyOf(starts, count * 2);
            }
            starts[count++] = at;
            at += entry.length();
        }
        if (violation == null && (count != extension.bitmapCount() || at < end)) {
            violation =
                    Violation.of(
                            Rule.DIRECTORY_ENTRIES,
                            first,
                            count,
                            "here " + extension.bitmapCount());
        }
        return new DirectoryIndex(
                Arrays.copyOf(starts, count), duplicates, withinBudget, violation);
    }

    private static Violation sum(long first, long sum, BitmapsExtension extension) {
        return Violation.of(Rule.DIRECTORY_SUM, first, sum, "here " + extension.directorySize());
    }

    private static Violation pastEnd(long at, BitmapsExtension extension, Window window) {
        return Violation.of(
                Rule.DIRECTORY_PAST_END,
                at,
                extension.directoryOffset() + extension.directorySize(),
                "the file has %d bytes".formatted(window.fileSize()));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
