package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Where each entry of a bitmap directory starts, found in one pass. A directory may be 64 MiB of names,
/// so only a few bytes of each entry are kept.
///
/// @param starts file offset of each entry, in directory order
/// @param byName a hash of each entry's name and, in the lower 32 bits, its position; ascending
/// @param duplicates the entries whose name another entry has too
/// @param sameInQemu whether QEMU, for which a name ends at its first NUL byte, takes two names for one
/// @param withinBudget how many entries may have their tables checked ([Rule#TABLES_TOTAL])
/// @param violation the first rule that the directory as a whole breaks; null for none
record DirectoryIndex(
        long[] starts,
        long[] byName,
        BitSet duplicates,
        boolean sameInQemu,
        int withinBudget,
        @Nullable Violation violation) {

    static final DirectoryIndex EMPTY =
            new DirectoryIndex(new long[0], new long[0], new BitSet(), false, 0, null);

    /// Bytes of bitmap tables that are read of one image when its state is asked for.
    static final long TABLE_BUDGET = 1L << 30;

    private static final long HASH = -1L << Integer.SIZE;

    private record NameDigest(long high, long low) {

        static NameDigest of(MessageDigest sha, byte[] name, int length) {
            sha.update(name, 0, length);
            ByteBuffer digest = ByteBuffer.wrap(sha.digest());
            return new NameDigest(digest.getLong(), digest.getLong());
        }
    }

    /// Walks the directory as far as it can be followed.
    static DirectoryIndex scan(Window window, BitmapsExtension extension, Header header)
            throws IOException {
        long first = extension.directoryOffset();
        long end = first + extension.directorySize();
        long[] starts = new long[Math.min(extension.bitmapCount(), 1024)];
        long[] byName = new long[starts.length];
        BitSet duplicates = new BitSet();
        Map<NameDigest, Integer> names = new HashMap<>();
        Set<NameDigest> namesInQemu = new HashSet<>();
        boolean sameInQemu = false;
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
            // The padding of the last entry may be missing: it reads as zeros.
            if (!window.holds(entry.nameOffset(), entry.nameSize())) {
                violation = pastEnd(at, extension, window);
                break;
            }
            byte[] name = new byte[entry.nameSize()];
            window.view(entry.nameOffset(), name.length).get(name);
            NameDigest digest = NameDigest.of(sha, name, name.length);
            Integer twin = names.putIfAbsent(digest, count);
            if (twin != null) {
                duplicates.set(twin);
                duplicates.set(count);
            }
            int nul = indexOfNul(name);
            sameInQemu |=
                    !namesInQemu.add(nul == name.length ? digest : NameDigest.of(sha, name, nul));
            // Only tables that will be read count, so that no broken entry spends what others need.
            if (!entry.inUse()
                    && entry.tableSizeIsLegal(header.clusterBits())
                    && entry.tableSize() == entry.geometry(header).tableSize()) {
                tableBytes += entry.tableSize() * Long.BYTES;
            }
            if (tableBytes <= TABLE_BUDGET) {
                withinBudget = count + 1;
            }
            if (count == starts.length) {
                starts = Arrays.copyOf(starts, count * 2);
                byName = Arrays.copyOf(byName, count * 2);
            }
            byName[count] = hash(name) | count;
            starts[count++] = at;
            at += entry.length();
        }
        if (violation == null && (count != extension.bitmapCount() || at < end)) {
            // Where bytes are left, there is one entry more at least.
            violation =
                    Violation.of(
                            Rule.DIRECTORY_ENTRIES,
                            first,
                            at < end ? count + 1 : count,
                            "here " + extension.bitmapCount());
        }
        byName = Arrays.copyOf(byName, count);
        Arrays.sort(byName);
        return new DirectoryIndex(
                Arrays.copyOf(starts, count),
                byName,
                duplicates,
                sameInQemu,
                withinBudget,
                violation);
    }

    /// Where in [#byName] an entry of this name is first, if there is any.
    int firstOf(byte[] name) {
        int found = Arrays.binarySearch(byName, hash(name));
        return found >= 0 ? found : -found - 1;
    }

    /// Whether the name of what is there may be this one.
    boolean mayBe(int inByName, byte[] name) {
        return inByName < byName.length && (byName[inByName] & HASH) == hash(name);
    }

    private static long hash(byte[] name) {
        return (long) Arrays.hashCode(name) << Integer.SIZE;
    }

    /// Where the first NUL byte is; the length if there is none.
    private static int indexOfNul(byte[] name) {
        int at = 0;
        while (at < name.length && name[at] != 0) {
            at++;
        }
        return at;
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
