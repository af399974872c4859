package dev.dirtymap.qcow2;

/// Which bit of a bitmap stands for which guest bytes, and where that bit lies: the one place that knows
/// (format text, "Bitmap data"; `qcow2.md` 2.4).
///
/// ```
/// G      = 1 << granularity_bits
/// bits   = ceil(virtual_size / G)              the last bit covers a partial granule
/// bytes  = ceil(bits / 8)
/// table  = ceil(bytes / cluster_size)          entries of the bitmap table
///
/// bit n covers the guest bytes [n*G, min((n+1)*G, virtual_size))
/// bit n lies in table entry n/8/cluster_size, byte (n/8)%cluster_size, bit n%8 from the least
///       significant, which makes the data a row of little-endian 64-bit words
/// ```
///
/// @param virtualSize of the disk in bytes, a multiple of 512
/// @param granularityBits log2 of the granularity, 0 to 63
/// @param clusterBits log2 of the cluster size, 9 to 21
public record Geometry(long virtualSize, int granularityBits, int clusterBits) {

    /// Guest bytes of one bit.
    public long granularity() {
        return 1L << granularityBits;
    }

    /// How many bits the bitmap has.
    public long bits() {
        return firstBitFrom(virtualSize);
    }

    /// How many bytes those bits fill.
    public long bytes() {
        return (bits() + 7) >>> 3;
    }

    /// How many entries the bitmap table must have: exactly this many, or the bitmap is broken.
    public long tableSize() {
        return (bytes() + (1L << clusterBits) - 1) >>> clusterBits;
    }

    /// How many bits one cluster of bitmap data holds.
    public long bitsPerCluster() {
        return 8L << clusterBits;
    }

    /// The bit that stands for a guest byte.
    public long bitOf(long guestOffset) {
        return guestOffset >>> granularityBits;
    }

    /// The first bit whose guest bytes all lie at or after an offset: `ceil(offset / G)`.
    public long firstBitFrom(long guestOffset) {
        long whole = guestOffset >>> granularityBits;
        return (guestOffset & (granularity() - 1)) == 0 ? whole : whole + 1;
    }

    /// The guest offset at which a bit begins, or the virtual size for the bit after the last.
    public long guestOffset(long bit) {
        return bit >= bits() ? virtualSize : bit << granularityBits;
    }
}
