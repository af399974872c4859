package dev.dirtymap.qcow2;

/// How a guest offset is split (format text, "Cluster mapping"):
///
/// ```
/// l2_entries  = cluster_size / 8            (16-byte entries with extended L2: / 16)
/// l1_index    = (offset / cluster_size) / l2_entries
/// l2_index    = (offset / cluster_size) % l2_entries
/// ```
///
/// @param clusterBits log2 of the cluster size, 9 to 21
/// @param extendedL2 whether L2 entries carry 32 subclusters each
public record Addressing(int clusterBits, boolean extendedL2) {

    /// Entries of one L2 table, which fills one cluster.
    public int l2Entries() {
        return 1 << l2Bits();
    }

    /// Bytes of one L2 entry.
    public int l2EntrySize() {
        return extendedL2 ? 16 : 8;
    }

    /// Guest bytes that one L1 entry covers.
    public long bytesPerL1Entry() {
        return 1L << (clusterBits + l2Bits());
    }

    /// Guest bytes that are mapped, or not, by themselves.
    public int subclusterSize() {
        return extendedL2 ? 1 << (clusterBits - 5) : 1 << clusterBits;
    }

    /// How many L1 entries a disk of `size` bytes needs.
    public long l1EntriesFor(long size) {
        long whole = size >>> (clusterBits + l2Bits());
        return (size & (bytesPerL1Entry() - 1)) == 0 ? whole : whole + 1;
    }

    /// The L1 entry for a guest offset.
    public long l1Index(long guestOffset) {
        return guestOffset >>> (clusterBits + l2Bits());
    }

    /// The entry for a guest offset within its L2 table.
    public int l2Index(long guestOffset) {
        return (int) (guestOffset >>> clusterBits) & (l2Entries() - 1);
    }

    private int l2Bits() {
        return clusterBits - (extendedL2 ? 4 : 3);
    }
}
