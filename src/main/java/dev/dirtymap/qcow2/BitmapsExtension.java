package dev.dirtymap.qcow2;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// The payload of the bitmaps extension (format text, "Bitmaps extension").
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | nb_bitmaps |
/// | 4 | 4 | reserved, 0 |
/// | 8 | 8 | bitmap_directory_size, in bytes |
/// | 16 | 8 | bitmap_directory_offset |
record BitmapsExtension(int bitmapCount, long directorySize, long directoryOffset) {

    static final int SIZE = 24;
    static final int MAX_BITMAPS = 65535;
    static final long MAX_DIRECTORY_SIZE = 1024L * MAX_BITMAPS;

    /// The first rule that the payload breaks, in QEMU's order (`qcow2_read_extensions`); null for none.
    static @Nullable Violation check(HeaderExtension.Bitmaps extension, int clusterSize) {
        long at = extension.fileOffset();
        if (extension.data().length != SIZE) {
            return Violation.of(Rule.BITMAPS_EXTENSION_LENGTH, at - 4, extension.data().length);
        }
        ByteBuffer fields = ByteBuffer.wrap(extension.data());
        long count = Integer.toUnsignedLong(fields.getInt(0));
        if (fields.getInt(4) != 0) {
            return Violation.ofHex(Rule.BITMAPS_RESERVED, at + 4, fields.getInt(4));
        }
        if (count < 1 || count > MAX_BITMAPS) {
            return Violation.of(Rule.BITMAP_COUNT, at, count);
        }
        long size = fields.getLong(8);
        if (size < 1 || size > MAX_DIRECTORY_SIZE) {
            return Violation.of(Rule.DIRECTORY_SIZE, at + 8, size);
        }
        long offset = fields.getLong(16);
        if (offset <= 0 || (offset & (clusterSize - 1)) != 0) {
            return Violation.of(Rule.DIRECTORY_OFFSET, at + 16, offset);
        }
        return null;
    }

    /// What is broken in any of several extensions: the last one counts, but QEMU demands that all are
    /// sound. A wrong length is named first, since it matters to QEMU even where it ignores the bitmaps.
    static @Nullable Violation checkAll(HeaderExtensions extensions, int clusterSize) {
        Violation first = null;
        for (HeaderExtension extension : extensions.all()) {
            if (extension instanceof HeaderExtension.Bitmaps bitmaps) {
                Violation violation = check(bitmaps, clusterSize);
                if (violation != null && violation.rule() == Rule.BITMAPS_EXTENSION_LENGTH) {
                    return violation;
                }
                first = first == null ? violation : first;
            }
        }
        return first;
    }

    /// @param extension one that [#check] found good
    static BitmapsExtension parse(HeaderExtension.Bitmaps extension) {
        ByteBuffer fields = ByteBuffer.wrap(extension.data());
        return new BitmapsExtension(fields.getInt(0), fields.getLong(8), fields.getLong(16));
    }

    byte[] toBytes() {
        return ByteBuffer.allocate(SIZE)
                .putInt(bitmapCount)
                .putInt(0)
                .putLong(directorySize)
                .putLong(directoryOffset)
                .array();
    }
}
