package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Allocator.Run;
import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What refers to the clusters that a change is about to take, and to those that it will leave: refcounts say
/// so too, but images exist whose refcounts are wrong. One walk over all references answers both.
///
/// - A cluster to be taken must have no reference at all, or guest data would be overwritten.
/// - A cluster that is left is given back only if the reference that goes away was its only one.
///
/// Where a table of the guest's data is broken, nobody can tell what else it meant, and nothing is given
/// back. Where the walk cannot come to an end, the change is refused.
final class ClusterUse implements References.Visitor {

    private static final int PIECE = 64 << 10;

    /// How many clusters a change may leave and give back: those of the largest bitmap in the smallest
    /// clusters, and some. Beyond that they are left to a check.
    private static final int MAX_LEFT = (1 << 20) + (1 << 18);

    private final int clusterBits;
    private long[] left = new long[64];
    private int leftCount;
    private int[] references = {};
    private long[] takenFirst = {};
    private long[] takenEnd = {};
    private final Set<Long> tables = new HashSet<>();

    /// A bit for each remainder of a cluster's index, set where a cluster of that remainder is taken or left:
    /// most references are to others, and told so at once.
    private final long[] asked = new long[1 << 12];

    private boolean unsure;
    private @Nullable String unfinished;
    private @Nullable String clash;

    ClusterUse(int clusterBits) {
        this.clusterBits = clusterBits;
    }

    /// Notes clusters that the change leaves.
    ///
    /// @param hostOffset of the first
    /// @param length in bytes
    void leave(long hostOffset, long length) {
        long end = (hostOffset + length - 1) >>> clusterBits;
        for (long cluster = hostOffset >>> clusterBits; cluster <= end; cluster++) {
            if (leftCount == MAX_LEFT) {
                unsure = true;
                return;
            }
            if (leftCount == left.length) {
                left = Arrays.copyOf(left, leftCount * 2);
            }
            left[leftCount++] = cluster;
        }
    }

    /// Notes what a bitmap uses, as far as its table can be followed. What cannot is left to a check.
    void leave(Bitmap bitmap, ImageFile file, Header header) throws IOException {
        DirectoryEntry entry = bitmap.entry();
        if (!tables.add(entry.tableOffset())) {
            // Shared with another bitmap that goes.
            return;
        }
        long bytes = entry.tableSize() * Long.BYTES;
        if (entry.type() != 1
                || entry.tableOffset() == 0
                || (entry.tableOffset() & (header.clusterSize() - 1)) != 0
                || !entry.tableSizeIsLegal(header.clusterBits())
                || !Header.isReadable(entry.tableOffset(), bytes)
                || entry.tableOffset() + bytes > file.size()) {
            return;
        }
        Window table = new Window(file, PIECE);
        for (long at = entry.tableOffset();
                at < entry.tableOffset() + bytes && !unsure;
                at += Long.BYTES) {
            try {
                long raw = table.view(at, Long.BYTES).getLong();
                if (TableEntry.parse(raw, clusterBits, at)
                        instanceof TableEntry.Data(long hostOffset)) {
                    leave(hostOffset, 1);
                }
            } catch (FormatException unknown) {
                // What it points to cannot be told.
            }
        }
        leave(entry.tableOffset(), bytes);
    }

    /// Counts the references.
    ///
    /// @param taken rows to be used, ascending
    /// @throws ChangeRefusedException if one of those is in use though its refcount is 0, or if there are too
    ///     many tables to tell
    void count(ImageFile file, Header header, HeaderExtensions extensions, List<Run> taken)
            throws IOException, ChangeRefusedException {
        left = Arrays.stream(left, 0, leftCount).sorted().distinct().toArray();
        leftCount = left.length;
        references = new int[leftCount];
        takenFirst = taken.stream().mapToLong(Run::first).toArray();
        takenEnd = taken.stream().mapToLong(Run::end).toArray();
        for (long cluster : left) {
            ask(cluster);
        }
        for (Run run : taken) {
            for (long cluster = run.first(); cluster < run.end(); cluster++) {
                ask(cluster);
            }
        }
        References.walk(file, header, extensions, this);
        if (unfinished != null) {
            throw new ChangeRefusedException(Kind.LIMIT_EXCEEDED, unfinished);
        }
        if (clash != null) {
            throw new ChangeRefusedException(Kind.IMAGE_CORRUPT, clash);
        }
    }

    private void ask(long cluster) {
        asked[(int) (cluster >>> 6) & asked.length - 1] |= 1L << cluster;
    }

    @Override
    public boolean asksFor(long hostOffset) {
        long cluster = hostOffset >>> clusterBits;
        return (asked[(int) (cluster >>> 6) & asked.length - 1] & 1L << cluster) != 0;
    }

    @Override
    public void refers(Structure structure, long from, long entry, long hostOffset, long length) {
        if (length <= 0 || hostOffset < 0 || hostOffset + length < 0) {
            return;
        }
        long first = hostOffset >>> clusterBits;
        long last = (hostOffset + length - 1) >>> clusterBits;
        int at = Arrays.binarySearch(takenFirst, last);
        int run = at >= 0 ? at : -at - 2;
        if (run >= 0 && takenEnd[run] > first && clash == null) {
            clash =
                    "cluster at file offset %d has refcount 0 but is in use (%s, by the field at file offset %d)"
                            .formatted(
                                    Math.max(first, takenFirst[run]) << clusterBits,
                                    structure.text(),
                                    from);
        }
        if (leftCount == 0 || last < left[0] || first > left[leftCount - 1]) {
            return;
        }
        int found = Arrays.binarySearch(left, first);
        for (int i = found >= 0 ? found : -found - 1; i < leftCount && left[i] <= last; i++) {
            references[i]++;
        }
    }

    @Override
    public void broken(
            Structure structure,
            long fileOffset,
            References.Damage damage,
            Supplier<String> message) {
        unsure |= !structure.ofBitmaps();
        if (damage == References.Damage.UNFINISHED) {
            unfinished = message.get();
        }
    }

    /// Rows of clusters that were left by their only reference, ascending.
    List<Run> free() {
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < leftCount && !unsure; i++) {
            if (references[i] != 1) {
                continue;
            }
            Run last = runs.isEmpty() ? null : runs.getLast();
            if (last != null && last.end() == left[i]) {
                runs.set(runs.size() - 1, new Run(last.first(), last.count() + 1));
            } else {
                runs.add(new Run(left[i], 1));
            }
        }
        return runs;
    }
}
