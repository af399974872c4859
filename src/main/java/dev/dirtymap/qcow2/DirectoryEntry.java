package dev.dirtymap.qcow2;

import java.nio.ByteBuffer;

/// The fixed part of one entry of the bitmap directory (format text, "Bitmap directory"), as it stands:
/// nothing is checked yet. Extra data, the name and padding to 8 bytes follow it.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | bitmap_table_offset |
/// | 8 | 4 | bitmap_table_size, in entries |
/// | 12 | 4 | flags: bit 0 in_use, bit 1 auto, bit 2 extra_data_compatible |
/// | 16 | 1 | type: 1 dirty tracking |
/// | 17 | 1 | granularity_bits |
/// | 18 | 2 | name_size |
/// | 20 | 4 | extra_data_size |
///
/// @param fileOffset where the entry starts, in bytes from the start of the file
record DirectoryEntry(
        long fileOffset,
        long tableOffset,
        long tableSize,
        int flags,
        int type,
        int granularityBits,
        int nameSize,
        long extraDataSize) {

    /// Bytes of the fixed part.
    static final int SIZE = 24;

    static final int IN_USE = 1;
    static final int AUTO = 2;

    private static final long MAX_TABLE_ENTRIES = 0x8000000;
    static final long MAX_BITMAP_BYTES = 512L << 20;

    static DirectoryEntry parse(long fileOffset, ByteBuffer bytes) {
        return new DirectoryEntry(
                fileOffset,
                bytes.getLong(0),
                Integer.toUnsignedLong(bytes.getInt(8)),
                bytes.getInt(12),
                bytes.get(16) & 0xff,
                bytes.get(17) & 0xff,
                bytes.getShort(18) & 0xffff,
                Integer.toUnsignedLong(bytes.getInt(20)));
    }

    void write(ByteBuffer target) {
        target.putLong(tableOffset)
                .putInt((int) tableSize)
                .putInt(flags)
                .put((byte) type)
                .put((byte) granularityBits)
                .putShort((short) nameSize)
                .putInt((int) extraDataSize);
    }

    /// Bytes of the whole entry, padding included.
    long length() {
        return (SIZE + extraDataSize + nameSize + 7) & -8L;
    }

    /// Whether a table may have this size at all, whatever the bitmap is.
    boolean tableSizeIsLegal(int clusterBits) {
        return tableSize >= 1
                && tableSize <= MAX_TABLE_ENTRIES
                && tableSize << clusterBits <= MAX_BITMAP_BYTES;
    }

    /// Where its bits lie, if the entry is sound.
    Geometry geometry(Header header) {
        return new Geometry(
                header.virtualSize(), Math.min(granularityBits, 63), header.clusterBits());
    }

    boolean inUse() {
        return (flags & IN_USE) != 0;
    }

    boolean enabled() {
        return (flags & AUTO) != 0;
    }

    long nameOffset() {
        return fileOffset + SIZE + extraDataSize;
    }
}
