package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Looks up what the L1 and L2 tables of one image say of a place, and how far that goes on (format text,
/// "Cluster mapping"; `qcow2_get_host_offset`, `qcow2_get_subcluster_type` and
/// `count_contiguous_subclusters` of `block/qcow2-cluster.c`). Reserved bits are ignored, and tables behind
/// the end of the file are empty, both as in QEMU.
///
/// One look-up skips as many L1 entries without a table as one piece of the L1 table has, or reads at most one
/// slice of an L2 table. The last slice is kept.
final class ClusterMap {

    private static final long OFFSET = 0x00fffffffffffe00L;
    private static final long ZERO = 1;
    private static final int L1_PIECE = 16 << 10;
    static final int L2_SLICE = 64 << 10;

    /// What an entry, or a subcluster of it, says. Those that have a place in the file come with one.
    private enum Kind {
        UNALLOCATED(MapRun.UNALLOCATED, false),
        UNALLOCATED_WITH_ROOM(MapRun.UNALLOCATED, true),
        ZERO(MapRun.ZERO, false),
        ZERO_WITH_ROOM(MapRun.ZERO, true),
        DATA(MapRun.DATA, true),
        COMPRESSED(MapRun.DATA | MapRun.COMPRESSED, false);

        private final int origin;
        private final boolean placed;

        Kind(int origin, boolean placed) {
            this.origin = origin;
            this.placed = placed;
        }
    }

    private final Header header;
    private final TableReader tables;
    private final int clusterBits;
    private final int clusterSize;
    private final int entryBits;
    private final int l1Shift;
    private final int sliceBytes;
    private final long size;
    private final boolean extended;
    private final boolean dataFile;
    private final boolean encrypted;
    private long l1Start;
    private long l1End;
    private long[] l1Entries = {};
    private long l2Start;
    private long l2End;
    private long[] l2Entries = {};

    /// What the slice that was looked at last tells of: guest offsets, and the place of its first entry.
    private long heldStart;

    private long heldEnd;
    private int heldAt;
    private long tablesRead;

    /// @param buffer of [#L2_SLICE], in use only during a call
    ClusterMap(ImageFile file, Header header, byte[] buffer) throws IOException {
        this.header = header;
        this.clusterBits = header.clusterBits();
        this.clusterSize = header.clusterSize();
        this.extended = header.has(Feature.EXTENDED_L2);
        this.dataFile = header.has(Feature.DATA_FILE);
        this.encrypted = header.encryption() != Encryption.NONE;
        this.entryBits = extended ? 4 : 3;
        this.l1Shift = 2 * clusterBits - entryBits;
        this.sliceBytes = Math.min(clusterSize, L2_SLICE);
        this.size = header.virtualSize();
        this.tables = new TableReader(file, buffer);
    }

    /// How many slices of L2 tables and pieces of the L1 table were read so far.
    long tablesRead() {
        return tablesRead;
    }

    /// What is at a guest offset, and how far that goes on at least.
    ///
    /// @param offset less than the virtual size
    /// @param mayRead whether the file may be touched
    /// @return false if it has to be, and may not; then the run is as it was
    /// @throws FormatException where QEMU finds the tables corrupt and gives up
    boolean find(long offset, boolean mayRead, MapRun run) throws IOException {
        if (offset >= heldStart && offset < heldEnd) {
            int inHeld = (int) ((offset - heldStart) >>> clusterBits) << (entryBits - 3);
            findInSlice(offset, heldAt + inHeld, run);
            return true;
        }
        long index = offset >>> l1Shift;
        if (!mayRead && !holdsL1(index)) {
            return false;
        }
        long l2Offset = l1Entry(index) & OFFSET;
        if (isEmpty(l2Offset)) {
            long next = index + 1;
            while (next < l1End && isEmpty(l1Entry(next) & OFFSET)) {
                next++;
            }
            long end = next > (size - 1) >>> l1Shift ? size : next << l1Shift;
            run.set(offset, end, MapRun.UNALLOCATED, MapRun.NOWHERE);
            return true;
        }
        if ((l2Offset & (clusterSize - 1)) != 0) {
            throw Violation.ofHex(
                            Rule.L2_TABLE_OFFSET,
                            header.l1TableOffset() + index * Long.BYTES,
                            l1Entry(index))
                    .asException();
        }
        int inTable = (int) (offset >>> clusterBits << entryBits) & (clusterSize - 1);
        int inSlice = inTable & (sliceBytes - 1);
        long slice = l2Offset + (inTable - inSlice);
        if (!holdsSlice(slice)) {
            if (!mayRead) {
                return false;
            }
            loadL2(slice);
        }
        heldAt = (int) (slice - l2Start) / Long.BYTES;
        heldStart = ((offset >>> clusterBits) - (inSlice >>> entryBits)) << clusterBits;
        heldEnd = heldStart + ((long) sliceBytes >>> entryBits << clusterBits);
        findInSlice(offset, heldAt + inSlice / Long.BYTES, run);
        return true;
    }

    private void findInSlice(long offset, int at, MapRun run) throws FormatException {
        int sliceEnd = heldAt + sliceBytes / Long.BYTES;
        if (extended) {
            findSubclusters(offset, at, sliceEnd, run);
        } else {
            findClusters(offset, at, sliceEnd, run);
        }
    }

    /// An entry that is 0, or whose table lies where the file reads as zeros.
    private boolean isEmpty(long l2Offset) {
        return l2Offset == 0
                || (l2Offset >= tables.fileSize() && (l2Offset & (clusterSize - 1)) == 0);
    }

    private boolean holdsL1(long index) {
        return index >= l1Start && index < l1End;
    }

    private long l1Entry(long index) throws IOException {
        if (!holdsL1(index)) {
            int count = (int) Math.min(L1_PIECE / Long.BYTES, header.l1Size() - index);
            l1End = l1Start;
            l1Entries =
                    entries(
                            tables.read(
                                    header.l1TableOffset() + index * Long.BYTES,
                                    count * Long.BYTES),
                            l1Entries);
            l1Start = index;
            l1End = index + count;
            tablesRead++;
        }
        return l1Entries[(int) (index - l1Start)];
    }

    /// The bytes as numbers, in the array that is given if they fit.
    private static long[] entries(ByteBuffer bytes, long[] reused) {
        int count = bytes.remaining() / Long.BYTES;
        long[] entries = reused.length >= count ? reused : new long[count];
        bytes.asLongBuffer().get(entries, 0, count);
        return entries;
    }

    private boolean holdsSlice(long sliceOffset) {
        return sliceOffset >= l2Start && sliceOffset + sliceBytes <= l2End;
    }

    private void loadL2(long sliceOffset) throws IOException {
        // Tables of small clusters are read several at once where they lie next to each other.
        int count = sliceOffset == l2End ? tables.capacity() : sliceBytes;
        l2End = l2Start;
        heldEnd = heldStart;
        l2Entries = entries(tables.read(sliceOffset, count), l2Entries);
        l2Start = sliceOffset;
        l2End = sliceOffset + count;
        tablesRead++;
    }

    private void findClusters(long offset, int first, int sliceEnd, MapRun run)
            throws FormatException {
        long entry = l2Entries[first];
        Kind kind = kind(entry);
        long hostOffset = hostOffset(kind, entry, offset, first);
        int at = first + 1;
        switch (kind) {
            case UNALLOCATED, UNALLOCATED_WITH_ROOM -> {
                while (at < sliceEnd && isUnallocated(l2Entries[at])) {
                    at++;
                }
            }
            case ZERO -> {
                while (at < sliceEnd
                        && (l2Entries[at] & (GuestTables.COMPRESSED | OFFSET | ZERO)) == ZERO) {
                    at++;
                }
            }
            case DATA, ZERO_WITH_ROOM -> {
                long expected = (entry & (OFFSET | ZERO)) + clusterSize;
                while (at < sliceEnd
                        && (l2Entries[at] & (GuestTables.COMPRESSED | OFFSET | ZERO)) == expected) {
                    expected += clusterSize;
                    at++;
                }
            }
            case COMPRESSED -> {
                while (at < sliceEnd && (l2Entries[at] & GuestTables.COMPRESSED) != 0) {
                    at++;
                }
            }
        }
        long end = ((offset >>> clusterBits) + at - first) << clusterBits;
        set(run, offset, end, kind, hostOffset);
    }

    /// The same for entries of 16 bytes, where a run can begin and end within a cluster.
    private void findSubclusters(long offset, int first, int sliceEnd, MapRun run)
            throws FormatException {
        int subclusterBits = clusterBits - 5;
        int subcluster = (int) (offset >>> subclusterBits) & 31;
        long entry = l2Entries[first];
        Kind kind = kind(entry, first, subcluster);
        long hostOffset = hostOffset(kind, entry, offset, first);
        long end = offset >>> clusterBits << clusterBits;
        long expected = entry & OFFSET;
        int at = first;
        int from = subcluster;
        while (true) {
            int to = endOfKind(kind, l2Entries[at + 1], from);
            if (to < 32) {
                end += (long) to << subclusterBits;
                break;
            }
            end += clusterSize;
            at += 2;
            from = 0;
            expected += clusterSize;
            if (at >= sliceEnd
                    || kind(l2Entries[at], at, 0) != kind
                    || (kind.placed && (l2Entries[at] & OFFSET) != expected)) {
                break;
            }
        }
        set(run, offset, end, kind, hostOffset);
    }

    private void set(MapRun run, long offset, long end, Kind kind, long hostOffset) {
        run.set(offset, Math.min(end, size), kind.origin, encrypted ? MapRun.NOWHERE : hostOffset);
    }

    private boolean isUnallocated(long entry) {
        return (entry & (GuestTables.COMPRESSED | OFFSET | ZERO)) == 0
                && !(dataFile && (entry & GuestTables.COPIED) != 0);
    }

    private Kind kind(long entry) {
        if ((entry & GuestTables.COMPRESSED) != 0) {
            return Kind.COMPRESSED;
        }
        if ((entry & ZERO) != 0) {
            return (entry & OFFSET) != 0 ? Kind.ZERO_WITH_ROOM : Kind.ZERO;
        }
        return isUnallocated(entry) ? Kind.UNALLOCATED : Kind.DATA;
    }

    private Kind kind(long entry, int at, int subcluster) throws FormatException {
        if ((entry & GuestTables.COMPRESSED) != 0) {
            return Kind.COMPRESSED;
        }
        long subclusters = l2Entries[at + 1];
        boolean zero = (subclusters >>> (32 + subcluster) & 1) != 0;
        // Bit 0 of the entry has no meaning here.
        if (isUnallocated(entry & ~ZERO)) {
            if ((int) subclusters != 0) {
                throw Violation.ofHex(
                                Rule.SUBCLUSTERS_UNALLOCATED,
                                l2Start + (at + 1L) * Long.BYTES,
                                subclusters)
                        .asException();
            }
            return zero ? Kind.ZERO : Kind.UNALLOCATED;
        }
        if ((subclusters >>> 32 & subclusters) != 0) {
            throw Violation.ofHex(
                            Rule.SUBCLUSTERS_BOTH, l2Start + (at + 1L) * Long.BYTES, subclusters)
                    .asException();
        }
        if (zero) {
            return Kind.ZERO_WITH_ROOM;
        }
        return (subclusters >>> subcluster & 1) != 0 ? Kind.DATA : Kind.UNALLOCATED_WITH_ROOM;
    }

    /// The first subcluster from `from` on that is of another kind; 32 if there is none.
    private static int endOfKind(Kind kind, long subclusters, int from) {
        int same =
                switch (kind) {
                    case COMPRESSED -> -1;
                    case DATA -> (int) subclusters;
                    case ZERO, ZERO_WITH_ROOM -> (int) (subclusters >>> 32);
                    case UNALLOCATED, UNALLOCATED_WITH_ROOM ->
                            ~((int) (subclusters >>> 32) | (int) subclusters);
                };
        return from + Integer.numberOfTrailingZeros(~(same >>> from));
    }

    /// Where the guest offset is in the file, after the checks that QEMU makes of the first entry of a run.
    private long hostOffset(Kind kind, long entry, long offset, int at) throws FormatException {
        if (header.version() == 2 && (kind.origin & MapRun.ZEROS) != 0) {
            throw broken(Rule.ZERO_CLUSTER_IN_VERSION_2, entry, at);
        }
        if (kind == Kind.COMPRESSED && dataFile) {
            throw broken(Rule.COMPRESSED_WITH_DATA_FILE, entry, at);
        }
        if (!kind.placed) {
            return MapRun.NOWHERE;
        }
        long cluster = entry & OFFSET;
        if ((cluster & (clusterSize - 1)) != 0) {
            throw broken(Rule.CLUSTER_OFFSET, entry, at);
        }
        long hostOffset = cluster + (offset & (clusterSize - 1));
        if (dataFile && hostOffset != offset) {
            throw broken(Rule.CLUSTER_OFFSET_IN_DATA_FILE, entry, at);
        }
        return hostOffset;
    }

    private FormatException broken(Rule rule, long entry, int at) {
        return Violation.ofHex(rule, l2Start + (long) at * Long.BYTES, entry).asException();
    }
}
