package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.References.Damage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Supplier;

/// Walks L1 tables, their L2 tables and what those refer to (format text, "Cluster mapping").
///
/// | L1 entry | bits |
/// |---|---|
/// | offset of the L2 table | 9 to 55 |
/// | copied: the refcount of the L2 table is exactly 1 | 63 |
///
/// | L2 entry | bits |
/// |---|---|
/// | copied | 63 |
/// | compressed | 62 |
/// | offset of the cluster, if not compressed | 9 to 55 |
/// | reads as zeros (not with extended L2 entries) | 0 |
/// | compressed: offset in bytes | 0 to x - 1, where x = 62 - (cluster_bits - 8) |
/// | compressed: additional sectors of 512 bytes | x to 61 |
/// | extended L2 entries, second word: allocated subclusters | 0 to 31 |
/// | extended L2 entries, second word: subclusters that read as zeros | 32 to 63 |
final class GuestTables {

    static final long COPIED = 1L << 63;
    static final long COMPRESSED = 1L << 62;

    private static final long OFFSET = 0x00fffffffffffe00L;
    private static final long L1_RESERVED = 0x7f000000000001ffL;
    private static final long L2_RESERVED = 0x3f000000000001feL;
    private static final long ZERO = 1;
    private static final long ALLOCATED_SUBCLUSTERS = 0xffffffffL;
    private static final int SECTOR = 512;

    private static final int L1_PIECE = 64 << 10;

    private final Header header;
    private final References.Visitor visitor;
    private final TableReader l1Reader;
    private final TableReader l2Reader;
    private final boolean extended;
    private final boolean dataFile;
    private final int sectorsShift;

    /// All bits of an L2 entry but those of a standard cluster at an offset that a cluster may have.
    private final long notPlain;

    private Structure l1Table = Structure.L1_TABLE;
    private Structure l2Table = Structure.L2_TABLE;
    private Structure data = Structure.GUEST_DATA;

    GuestTables(
            ImageFile file, Header header, References.Visitor visitor, TableReader.Budget budget)
            throws IOException {
        this.header = header;
        this.visitor = visitor;
        this.l1Reader = new TableReader(file, L1_PIECE, budget);
        this.l2Reader = new TableReader(file, header.clusterSize(), budget);
        this.notPlain = ~(COPIED | OFFSET) | (header.clusterSize() - 1);
        this.extended = header.has(Feature.EXTENDED_L2);
        this.dataFile = header.has(Feature.DATA_FILE);
        this.sectorsShift = 62 - (header.clusterBits() - 8);
    }

    /// The tables of the disk as it is now.
    void walkActive() throws IOException {
        l1Table = Structure.L1_TABLE;
        l2Table = Structure.L2_TABLE;
        data = Structure.GUEST_DATA;
        walkL1(header.l1TableOffset(), 40, header.l1Size());
    }

    /// The tables of a snapshot.
    ///
    /// @param l1Offset a multiple of the cluster size
    /// @param from the file offset of the field that says so
    /// @param l1Size at most [Header#MAX_L1_ENTRIES]
    void walkSnapshot(long l1Offset, long from, long l1Size) throws IOException {
        l1Table = Structure.SNAPSHOT_L1_TABLE;
        l2Table = Structure.SNAPSHOT_L2_TABLE;
        data = Structure.SNAPSHOT_DATA;
        walkL1(l1Offset, from, l1Size);
    }

    private void walkL1(long l1Offset, long from, long l1Size) throws IOException {
        long length = l1Size * Long.BYTES;
        if (length == 0) {
            return;
        }
        visitor.refers(l1Table, from, 0, l1Offset, length);
        long end = Math.min(l1Offset + length, l1Reader.fileSize());
        for (long at = l1Offset; at < end; at += L1_PIECE) {
            int count = (int) Math.min(L1_PIECE, l1Offset + length - at);
            ByteBuffer piece = l1Reader.read(at, count);
            for (int i = 0; i < count; i += Long.BYTES) {
                long entry = piece.getLong(i);
                if (entry != 0) {
                    walkL1Entry(entry, at + i);
                }
            }
        }
    }

    private void walkL1Entry(long entry, long from) throws IOException {
        if ((entry & L1_RESERVED) != 0) {
            broken(l1Table, from, entry, "reserved bits (0 to 8, 56 to 62)", "0");
        }
        long l2Offset = entry & OFFSET;
        visitor.refers(l2Table, from, entry, l2Offset, header.clusterSize());
        if ((l2Offset & (header.clusterSize() - 1)) != 0) {
            broken(l1Table, from, entry, "offset", "a multiple of the cluster size");
        }
        walkL2(l2Offset);
    }

    /// Reads wherever the entry points, be it the header: so does QEMU.
    private void walkL2(long l2Offset) throws IOException {
        if (l2Offset >= l2Reader.fileSize()) {
            return;
        }
        int size = header.clusterSize();
        ByteBuffer l2 = l2Reader.read(l2Offset, size);
        if (extended) {
            for (int at = 0; at < size; at += 2 * Long.BYTES) {
                long entry = l2.getLong(at);
                long subclusters = l2.getLong(at + Long.BYTES);
                if ((entry | subclusters) != 0) {
                    walkL2Entry(entry, subclusters, l2Offset + at);
                }
            }
        } else {
            for (int at = 0; at < size; at += Long.BYTES) {
                long entry = l2.getLong(at);
                if (entry != 0 && (!isPlain(entry) || visitor.asksFor(entry & OFFSET))) {
                    walkL2Entry(entry, 0, l2Offset + at);
                }
            }
        }
    }

    /// Whether an entry is sound by itself and refers to one whole cluster of this file.
    private boolean isPlain(long entry) {
        return (entry & notPlain) == 0 && (entry & OFFSET) != 0 && !dataFile;
    }

    private void walkL2Entry(long entry, long subclusters, long from) throws IOException {
        if ((entry & COMPRESSED) != 0) {
            walkCompressed(entry, subclusters, from);
            return;
        }
        if ((entry & L2_RESERVED) != 0) {
            broken(l2Table, from, entry, "reserved bits (1 to 8, 56 to 61)", "0");
        }
        long offset = entry & OFFSET;
        boolean zeros = (entry & ZERO) != 0 && !extended;
        // With a data file the guest's first cluster may be at offset 0 there.
        boolean allocated = offset != 0 || (dataFile && !zeros && (entry & COPIED) != 0);
        if (allocated) {
            walkAllocated(entry, offset, subclusters, from);
        } else if (!zeros && (subclusters & ALLOCATED_SUBCLUSTERS) != 0) {
            broken(
                    l2Table,
                    from + Long.BYTES,
                    subclusters,
                    "allocated subclusters (bits 0 to 31)",
                    "0 where no cluster is allocated");
        }
    }

    private void walkAllocated(long entry, long offset, long subclusters, long from)
            throws IOException {
        if ((subclusters >>> 32 & subclusters) != 0) {
            broken(
                    l2Table,
                    from + Long.BYTES,
                    subclusters,
                    "subclusters",
                    "either allocated or zero, not both");
        }
        if ((offset & (header.clusterSize() - 1)) != 0) {
            broken(l2Table, from, entry, "offset", "a multiple of the cluster size");
        }
        if (!dataFile) {
            visitor.refers(data, from, entry, offset, header.clusterSize());
        } else {
            visitor.refersOutside(data, from, entry);
        }
    }

    private void walkCompressed(long entry, long subclusters, long from) throws IOException {
        if ((entry & COPIED) != 0) {
            broken(l2Table, from, entry, "copied flag (bit 63)", "0 for a compressed cluster");
        }
        if (dataFile) {
            broken(
                    l2Table,
                    from,
                    entry,
                    "compressed flag (bit 62)",
                    "0 with an external data file");
        } else if (subclusters != 0) {
            broken(
                    l2Table,
                    from + Long.BYTES,
                    subclusters,
                    "subclusters",
                    "0 for a compressed cluster");
        } else {
            long offset = entry & ((1L << sectorsShift) - 1);
            long sectors = ((entry & ~(COPIED | COMPRESSED)) >>> sectorsShift) + 1;
            visitor.refers(data, from, entry, offset, sectors * SECTOR - offset % SECTOR);
        }
    }

    private void broken(Structure structure, long from, long entry, String field, String mustBe)
            throws IOException {
        Supplier<String> message =
                () ->
                        "%s: %s of the entry at file offset %d must be %s; the entry is 0x%x"
                                .formatted(structure.text(), field, from, mustBe, entry);
        visitor.broken(structure, from, Damage.FOLLOWED, message);
    }
}
