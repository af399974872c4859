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
    private static final int L2_SLICE = 64 << 10;

    /// What an entry, or a subcluster of it, says. Those that have a place in the file come with one.
    private enum Kind {
        UNALLOCATED(Allocation.UNALLOCATED, false),
        UNALLOCATED_WITH_ROOM(Allocation.UNALLOCATED, true),
        ZERO(Allocation.ZERO, false),
        ZERO_WITH_ROOM(Allocation.ZERO, true),
        DATA(Allocation.DATA, true),
        COMPRESSED(Allocation.DATA, false);

        private final Allocation allocation;
        private final boolean placed;

        Kind(Allocation allocation, boolean placed) {
            this.allocation = allocation;
            this.placed = placed;
        }
    }

    private final Header header;
    private final TableReader l1;
    private final TableReader l2;
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
    private ByteBuffer l1Bytes = ByteBuffer.allocate(0);
    private long l2Start;
    private long l2End;
    private ByteBuffer l2Bytes = ByteBuffer.allocate(0);
    private long tablesRead;

    ClusterMap(ImageFile file, Header header) throws IOException {
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
        this.l1 = new TableReader(file, L1_PIECE);
        this.l2 = new TableReader(file, L2_SLICE);
    }

    /// How many slices of L2 tables and pieces of the L1 table were read so far.
    long tablesRead() {
        return tablesRead;
    }

    /// Whether [#find] needs to read nothing.
    boolean holds(long offset) {
        long index = offset >>> l1Shift;
        if (index < l1Start || index >= l1End) {
            return false;
        }
        long l2Offset = l1Bytes.getLong((int) (index - l1Start) * Long.BYTES) & OFFSET;
        int inTable = (int) (offset >>> clusterBits << entryBits) & (clusterSize - 1);
        return isEmpty(l2Offset) || holdsSlice(l2Offset + (inTable & -sliceBytes));
    }

    /// What is at a guest offset, and how far that goes on at least.
    ///
    /// @param offset less than the virtual size
    /// @throws FormatException where QEMU finds the tables corrupt and gives up
    void find(long offset, MapRun run) throws IOException {
        long index = offset >>> l1Shift;
        long l2Offset = l1Entry(index) & OFFSET;
        if (isEmpty(l2Offset)) {
            long next = index + 1;
            while (next < l1End && isEmpty(l1Entry(next) & OFFSET)) {
                next++;
            }
            long end = next > (size - 1) >>> l1Shift ? size : next << l1Shift;
            run.set(offset, end, Allocation.UNALLOCATED, MapRun.NOWHERE);
            return;
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
        loadL2(l2Offset + (inTable - inSlice));
        int at = (int) (l2Offset + inTable - l2Start);
        int sliceEnd = at - inSlice + sliceBytes;
        if (extended) {
            findSubclusters(offset, at, sliceEnd, run);
        } else {
            findClusters(offset, at, sliceEnd, run);
        }
    }

    /// An entry that is 0, or whose table lies where the file reads as zeros.
    private boolean isEmpty(long l2Offset) {
        return l2Offset == 0 || (l2Offset >= l2.fileSize() && (l2Offset & (clusterSize - 1)) == 0);
    }

    private long l1Entry(long index) throws IOException {
        if (index < l1Start || index >= l1End) {
            int count = (int) Math.min(L1_PIECE / Long.BYTES, header.l1Size() - index);
            l1End = l1Start;
            l1Bytes = l1.read(header.l1TableOffset() + index * Long.BYTES, count * Long.BYTES);
            l1Start = index;
            l1End = index + count;
            tablesRead++;
        }
        return l1Bytes.getLong((int) (index - l1Start) * Long.BYTES);
    }

    private boolean holdsSlice(long sliceOffset) {
        return sliceOffset >= l2Start && sliceOffset + sliceBytes <= l2End;
    }

    private void loadL2(long sliceOffset) throws IOException {
        if (holdsSlice(sliceOffset)) {
            return;
        }
        // Tables of small clusters are read several at once where they lie next to each other.
        int count = sliceOffset == l2End ? l2.capacity() : sliceBytes;
        l2End = l2Start;
        l2Bytes = l2.read(sliceOffset, count);
        l2Start = sliceOffset;
        l2End = sliceOffset + count;
        tablesRead++;
    }

    private void findClusters(long offset, int first, int sliceEnd, MapRun run)
            throws FormatException {
        long entry = l2Bytes.getLong(first);
        Kind kind = kind(entry);
        long hostOffset = hostOffset(kind, entry, offset, first);
        int at = first + Long.BYTES;
        switch (kind) {
            case UNALLOCATED, UNALLOCATED_WITH_ROOM -> {
                while (at < sliceEnd && isUnallocated(l2Bytes.getLong(at))) {
                    at += Long.BYTES;
                }
            }
            case ZERO -> {
                while (at < sliceEnd
                        && (l2Bytes.getLong(at) & (GuestTables.COMPRESSED | OFFSET | ZERO))
                                == ZERO) {
                    at += Long.BYTES;
                }
            }
            case DATA, ZERO_WITH_ROOM -> {
                long expected = (entry & (OFFSET | ZERO)) + clusterSize;
                while (at < sliceEnd
                        && (l2Bytes.getLong(at) & (GuestTables.COMPRESSED | OFFSET | ZERO))
                                == expected) {
                    expected += clusterSize;
                    at += Long.BYTES;
                }
            }
            case COMPRESSED -> {
                while (at < sliceEnd && (l2Bytes.getLong(at) & GuestTables.COMPRESSED) != 0) {
                    at += Long.BYTES;
                }
            }
        }
        long end = ((offset >>> clusterBits) + ((at - first) >>> 3)) << clusterBits;
        set(run, offset, end, kind, hostOffset);
    }

    /// The same for entries of 16 bytes, where a run can begin and end within a cluster.
    private void findSubclusters(long offset, int first, int sliceEnd, MapRun run)
            throws FormatException {
        int subclusterBits = clusterBits - 5;
        int subcluster = (int) (offset >>> subclusterBits) & 31;
        long entry = l2Bytes.getLong(first);
        Kind kind = kind(entry, first, subcluster);
        long hostOffset = hostOffset(kind, entry, offset, first);
        long end = offset >>> clusterBits << clusterBits;
        long expected = entry & OFFSET;
        int at = first;
        int from = subcluster;
        while (true) {
            int to = endOfKind(kind, l2Bytes.getLong(at + Long.BYTES), from);
            if (to < 32) {
                end += (long) to << subclusterBits;
                break;
            }
            end += clusterSize;
            at += 2 * Long.BYTES;
            from = 0;
            expected += clusterSize;
            if (at >= sliceEnd
                    || kind(l2Bytes.getLong(at), at, 0) != kind
                    || (kind.placed && (l2Bytes.getLong(at) & OFFSET) != expected)) {
                break;
            }
        }
        set(run, offset, end, kind, hostOffset);
    }

    private void set(MapRun run, long offset, long end, Kind kind, long hostOffset) {
        run.set(
                offset,
                Math.min(end, size),
                kind.allocation,
                encrypted ? MapRun.NOWHERE : hostOffset);
        run.compressed = kind == Kind.COMPRESSED;
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
        long subclusters = l2Bytes.getLong(at + Long.BYTES);
        boolean zero = (subclusters >>> (32 + subcluster) & 1) != 0;
        // Bit 0 of the entry has no meaning here.
        if (isUnallocated(entry & ~ZERO)) {
            if ((int) subclusters != 0) {
                throw Violation.ofHex(
                                Rule.SUBCLUSTERS_UNALLOCATED,
                                l2Start + at + Long.BYTES,
                                subclusters)
                        .asException();
            }
            return zero ? Kind.ZERO : Kind.UNALLOCATED;
        }
        if ((subclusters >>> 32 & subclusters) != 0) {
            throw Violation.ofHex(Rule.SUBCLUSTERS_BOTH, l2Start + at + Long.BYTES, subclusters)
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
        if (header.version() == 2 && kind.allocation == Allocation.ZERO) {
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
        return Violation.ofHex(rule, l2Start + at, entry).asException();
    }
}
