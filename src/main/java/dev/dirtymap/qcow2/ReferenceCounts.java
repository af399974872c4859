package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Finding.Repair;
import dev.dirtymap.qcow2.References.Damage;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Counts how often each cluster of the file is referred to, and compares that with its refcount, for so many
/// clusters at a time as memory allows: each time the whole image is walked.
///
/// What it counts as a corruption, a leak and an error is what QEMU's `qcow2_check_refcounts` does.
final class ReferenceCounts implements References.Visitor {

    private static final int SECTOR = 512;

    private final ImageFile file;
    private final Header header;
    private final Findings findings;
    private final RefcountReader refcounts;

    /// The length of the file as QEMU sees it.
    private final long fileLength;

    private final int counterMax;
    private final long refcountMax;

    /// Clusters of the file. The last one may be followed by one more that begins past the end of the file,
    /// which bytes before the end can reach into.
    private long clusters;

    private long reachable;
    private boolean firstWalk;

    /// The clusters of this walk: from `start` on, as many as there are counters.
    private long start;

    private int[] counters = new int[0];
    private final BitSet refcountIsOne = new BitSet();

    /// Clusters with a copied flag somewhere, which has to go with a refcount of 1.
    private final BitSet hasCopiedFlag = new BitSet();

    private final LeakVisitor leakVisitor;

    /// Entries of the refcount table that lead nowhere.
    private final BitSet unreadableBlocks = new BitSet();

    private boolean skipsL2Entries;
    private long corruptions;
    private long leaks;
    private long checkErrors;
    private long checkedClusters;
    private boolean complete = true;
    private boolean unfinished;
    private boolean bitmapsPastEnd;

    /// Sees clusters whose refcount may be lowered.
    @FunctionalInterface
    interface LeakVisitor {
        /// Sees a row of them, and what the refcount of each has to be.
        void leaked(long first, long count, int references) throws IOException;
    }

    ReferenceCounts(ImageFile file, Header header, Findings findings, LeakVisitor leakVisitor)
            throws IOException {
        this.leakVisitor = leakVisitor;
        this.file = file;
        this.header = header;
        this.findings = findings;
        this.refcounts = new RefcountReader(file, header);
        this.fileLength = (file.size() + SECTOR - 1) & -SECTOR;
        this.clusters = (fileLength + header.clusterSize() - 1) >>> header.clusterBits();
        int bits = header.refcountBits();
        this.refcountMax = bits == 64 ? -1 : (1L << bits) - 1;
        this.counterMax = bits >= 32 ? Integer.MAX_VALUE : (int) refcountMax;
    }

    /// Counts and compares everything.
    ///
    /// @param clustersAWalk how many clusters at a time
    void count(HeaderExtensions extensions, int clustersAWalk) throws IOException {
        if (clusters > Integer.MAX_VALUE) {
            checkErrors++;
            complete = false;
            findings.addFirst(
                    Structure.HEADER.text(),
                    20,
                    "the file has %d clusters; it must have at most 2147483647 to be checked"
                            .formatted(clusters));
            return;
        }
        firstWalk = true;
        reachable = clusters + 1;
        unreadableBlocks.or(refcounts.unreadableBlocks());
        for (start = 0; start < (firstWalk ? reachable : clusters); start += counters.length) {
            int length = (int) Math.min(clustersAWalk, reachable - start);
            counters = length == counters.length ? counters : new int[length];
            Arrays.fill(counters, 0);
            hasCopiedFlag.clear();
            findRefcountsOfOne();
            References.walk(file, header, extensions, this);
            if (unfinished) {
                checkErrors++;
                return;
            }
            firstWalk = false;
            compare();
        }
        checkedClusters = clusters;
    }

    long corruptions() {
        return corruptions;
    }

    long leaks() {
        return leaks;
    }

    long checkErrors() {
        return checkErrors;
    }

    long checkedClusters() {
        return checkedClusters;
    }

    /// Whether nothing hides references that were not counted.
    boolean complete() {
        return complete;
    }

    /// Whether a bitmap reaches a whole cluster beyond the end of the file.
    boolean bitmapsPastEnd() {
        return bitmapsPastEnd;
    }

    /// The copied flags speak of refcounts of 1 only.
    private void findRefcountsOfOne() throws IOException {
        refcountIsOne.clear();
        for (int i = 0; i < counters.length; i++) {
            if (refcounts.of(start + i) == 1) {
                refcountIsOne.set(i);
            }
        }
    }

    @Override
    public void refers(Structure structure, long from, long entry, long hostOffset, long length)
            throws IOException {
        switch (structure) {
            case L2_TABLE -> {
                skipsL2Entries = hostOffset == 0 || !isRefcountReadable(hostOffset);
                if (!skipsL2Entries) {
                    checkCopied(Structure.L1_TABLE, from, entry, hostOffset);
                }
            }
            case GUEST_DATA -> {
                if (!skipsL2Entries
                        && (entry & GuestTables.COMPRESSED) == 0
                        && isRefcountReadable(hostOffset)) {
                    checkCopied(Structure.L2_TABLE, from, entry, hostOffset);
                }
            }
            case REFCOUNT_BLOCK -> {
                if (hostOffset >>> header.clusterBits() >= clusters) {
                    pastEnd(structure, from, hostOffset, length);
                    return;
                }
            }
            default -> {}
        }
        if (length <= 0) {
            return;
        }
        // The file may end within its last cluster.
        if (hostOffset < 0 || length >= fileLength - hostOffset + header.clusterSize()) {
            pastEnd(structure, from, hostOffset, length);
        } else {
            use(structure, from, hostOffset, hostOffset + length - 1);
        }
        if (structure == Structure.REFCOUNT_BLOCK) {
            checkUnshared(from, hostOffset);
        }
    }

    private void use(Structure structure, long from, long firstByte, long lastByte) {
        boolean flagged =
                switch (structure) {
                    case L2_TABLE, GUEST_DATA, SNAPSHOT_L2_TABLE, SNAPSHOT_DATA -> true;
                    default -> false;
                };
        long last = lastByte >>> header.clusterBits();
        clusters = Math.max(clusters, last + 1);
        int end = (int) Math.min(last - start + 1, counters.length);
        for (int i = (int) Math.max(0, (firstByte >>> header.clusterBits()) - start);
                i < end;
                i++) {
            if (flagged) {
                hasCopiedFlag.set(i);
            }
            if (counters[i] != counterMax) {
                counters[i]++;
            } else if (counterMax == refcountMax) {
                corruption(structure, from, overflow(i));
            }
        }
    }

    private Supplier<String> overflow(int counter) {
        return () ->
                "cluster at file offset %d is referred to more than %s times, which is the most that refcounts of %d bits can say"
                        .formatted(
                                (start + counter) << header.clusterBits(),
                                Long.toUnsignedString(refcountMax),
                                header.refcountBits());
    }

    private void pastEnd(Structure structure, long from, long hostOffset, long length) {
        bitmapsPastEnd |= structure == Structure.BITMAP_TABLE || structure == Structure.BITMAP_DATA;
        if (firstWalk) {
            corruption(
                    structure,
                    from,
                    () ->
                            "%s: offset at file offset %d is %s for %d bytes; it must be within the file, which has %d bytes"
                                    .formatted(
                                            structure.text(),
                                            from,
                                            Long.toUnsignedString(hostOffset),
                                            length,
                                            fileLength));
        }
    }

    /// A refcount block counts for nobody else.
    private void checkUnshared(long from, long hostOffset) {
        long counter = (hostOffset >>> header.clusterBits()) - start;
        if (counter >= 0 && counter < counters.length && counters[(int) counter] != 1) {
            int references = counters[(int) counter];
            corruption(
                    Structure.REFCOUNT_BLOCK,
                    from,
                    () ->
                            "refcount block at file offset %d is referred to %d times; it must be referred to once, by the entry at file offset %d"
                                    .formatted(hostOffset, references, from));
        }
    }

    /// The copied flag says that a cluster may be written in place, because its refcount is exactly 1.
    private void checkCopied(Structure table, long from, long entry, long hostOffset)
            throws IOException {
        long cluster = hostOffset >>> header.clusterBits();
        long counter = cluster - start;
        boolean one;
        if (counter >= 0 && counter < counters.length) {
            one = refcountIsOne.get((int) counter);
        } else if (firstWalk && cluster >= reachable) {
            one = refcounts.of(cluster) == 1;
        } else {
            // Another walk sees to it.
            return;
        }
        if (one != (entry < 0)) {
            corruption(
                    table,
                    from,
                    () ->
                            "%s: copied flag (bit 63) of the entry at file offset %d must be %d, since the refcount of the cluster at file offset %d is %s1; the entry is 0x%x"
                                    .formatted(
                                            table.text(),
                                            from,
                                            one ? 1 : 0,
                                            hostOffset,
                                            one ? "" : "not ",
                                            entry));
        }
    }

    /// What lies in the external data file has no refcount and may always be written in place.
    @Override
    public void refersOutside(Structure structure, long from, long entry) {
        if (firstWalk && structure == Structure.GUEST_DATA && !skipsL2Entries && entry >= 0) {
            corruption(
                    Structure.L2_TABLE,
                    from,
                    () ->
                            "L2 table: copied flag (bit 63) of the entry at file offset %d must be 1, since the cluster is in an external data file; the entry is 0x%x"
                                    .formatted(from, entry));
        }
    }

    private boolean isRefcountReadable(long hostOffset) {
        return unreadableBlocks.isEmpty()
                || !unreadableBlocks.get(refcounts.blockOf(hostOffset >>> header.clusterBits()));
    }

    @Override
    public void broken(
            Structure structure, long fileOffset, Damage damage, Supplier<String> message) {
        if (!firstWalk) {
            return;
        }
        complete &= damage == Damage.FOLLOWED;
        switch (damage) {
            case FOLLOWED, NOT_FOLLOWED -> corruptions++;
            case UNNOTICED, REFUSED -> {}
            case UNFINISHED -> {
                unfinished = true;
                findings.addFirst(structure.text(), fileOffset, message.get());
                return;
            }
        }
        // What is wrong with the directory itself, BitmapFindings tells in full.
        if (structure != Structure.BITMAP_DIRECTORY) {
            findings.add(
                    structure.text(),
                    fileOffset,
                    damage == Damage.REFUSED,
                    repairOf(structure),
                    message);
        }
    }

    private void corruption(Structure structure, long offset, Supplier<String> message) {
        corruptions++;
        findings.add(structure.text(), offset, false, repairOf(structure), message);
    }

    private static Repair repairOf(Structure structure) {
        return structure.ofBitmaps() ? Repair.BITMAPS : Repair.NONE;
    }

    private void compare() throws IOException {
        long end = Math.min(start + counters.length, clusters);
        Mismatch run = null;
        for (long cluster = start; cluster < end; cluster++) {
            int references = counters[(int) (cluster - start)];
            boolean readable = isRefcountReadable(cluster << header.clusterBits());
            long refcount = readable ? refcounts.of(cluster) : 0;
            if (readable && refcount == references) {
                continue;
            }
            boolean flagged = references == 1 && hasCopiedFlag.get((int) (cluster - start));
            if (run == null || !run.continues(cluster, readable, refcount, references, flagged)) {
                report(run);
                run = new Mismatch(cluster, readable, refcount, references, flagged);
            }
            run.count++;
        }
        report(run);
    }

    private void report(@Nullable Mismatch run) throws IOException {
        if (run == null) {
            return;
        }
        long offset = run.first << header.clusterBits();
        if (!run.readable) {
            checkErrors += run.count;
            findings.add(
                    Structure.REFCOUNT_TABLE.text(),
                    offset,
                    false,
                    Repair.NONE,
                    () ->
                            "refcounts of %d clusters from file offset %d on cannot be read; their entry in the refcount table must hold the offset of a cluster"
                                    .formatted(run.count, offset));
            return;
        }
        boolean leak = Long.compareUnsigned(run.refcount, run.references) > 0;
        // With a refcount of 1 the flag would have to be set, which is for whoever repairs guest
        // tables.
        boolean freeable = leak && !run.flagged;
        if (freeable) {
            leakVisitor.leaked(run.first, run.count, run.references);
        }
        if (leak) {
            leaks += run.count;
        } else {
            corruptions += run.count;
        }
        findings.add(
                Structure.REFCOUNT_BLOCK.text(),
                offset,
                false,
                freeable ? Repair.LEAKS : Repair.NONE,
                () ->
                        "refcount of %d clusters from file offset %d on is %s; it must be %d, the number of references to each"
                                .formatted(
                                        run.count,
                                        offset,
                                        Long.toUnsignedString(run.refcount),
                                        run.references));
    }
}
