package dev.dirtymap.qcow2;

/// One entry of a bitmap table (format text, "Bitmap table"): what one cluster of bitmap data holds.
///
/// | bits | meaning |
/// |---|---|
/// | 0 | with offset 0: 0 all zeros, 1 all ones; else reserved |
/// | 1 to 8 | reserved |
/// | 9 to 55 | offset of the data cluster, 0 for none |
/// | 56 to 63 | reserved |
public sealed interface TableEntry {

    long RESERVED = 0xff000000000001feL;
    long OFFSET = 0x00fffffffffffe00L;
    long ALL_ONES = 1;

    /// No bit is set.
    record Zeros() implements TableEntry {
        private static final Zeros IT = new Zeros();
    }

    /// Every bit is set.
    record Ones() implements TableEntry {
        private static final Ones IT = new Ones();
    }

    /// The bits are in a cluster of the file.
    ///
    /// @param hostOffset in bytes, a multiple of the cluster size
    record Data(long hostOffset) implements TableEntry {}

    /// Reads one entry.
    ///
    /// @param fileOffset where the entry stands, for the error
    /// @throws FormatException if a reserved bit is set or the offset is not that of a cluster
    static TableEntry parse(long raw, int clusterBits, long fileOffset) throws FormatException {
        if ((raw & RESERVED) != 0) {
            throw Violation.ofHex(Rule.TABLE_ENTRY_RESERVED, fileOffset, raw).asException();
        }
        long offset = raw & OFFSET;
        boolean ones = (raw & ALL_ONES) != 0;
        if (offset == 0) {
            return ones ? Ones.IT : Zeros.IT;
        }
        if (ones) {
            throw Violation.ofHex(Rule.TABLE_ENTRY_ALL_ONES, fileOffset, raw).asException();
        }
        if ((offset & ((1L << clusterBits) - 1)) != 0) {
            throw Violation.ofHex(Rule.TABLE_ENTRY_OFFSET, fileOffset, raw).asException();
        }
        return new Data(offset);
    }
}
