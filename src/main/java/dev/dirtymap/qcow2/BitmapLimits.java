package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ChangeRefusedException.Kind;

/// What a new bitmap may be: QEMU's limits (`qcow2.md` 2.5).
final class BitmapLimits {

    private static final int MAX_NAME = 1023;
    private static final int MIN_GRANULARITY_BITS = 9;
    private static final int MAX_GRANULARITY_BITS = 31;

    private BitmapLimits() {}

    /// log2 of a granularity.
    ///
    /// @throws IllegalArgumentException if QEMU does not take it
    static int granularityBits(long granularity) {
        if (Long.bitCount(granularity) != 1
                || granularity < 1L << MIN_GRANULARITY_BITS
                || granularity > 1L << MAX_GRANULARITY_BITS) {
            throw new IllegalArgumentException(
                    "granularity must be a power of two from 512 to 2147483648 but was "
                            + granularity);
        }
        return Long.numberOfTrailingZeros(granularity);
    }

    /// @throws IllegalArgumentException if no bitmap may have this name
    static void requireName(byte[] name) {
        if (name.length < 1 || name.length > MAX_NAME) {
            throw new IllegalArgumentException(
                    "a name must have 1 to 1023 bytes but had " + name.length);
        }
        for (byte b : name) {
            if (b == 0) {
                throw new IllegalArgumentException("a name must not contain NUL");
            }
        }
    }

    /// @param count how many bitmaps there are already
    static void requireRoom(byte[] name, Geometry geometry, int count)
            throws ChangeRefusedException {
        if (geometry.bits() == 0) {
            throw new ChangeRefusedException(
                    Kind.LIMIT_EXCEEDED, "a disk of 0 bytes cannot have a bitmap");
        }
        if (geometry.bytes() > DirectoryEntry.MAX_BITMAP_BYTES) {
            throw new ChangeRefusedException(
                    Kind.LIMIT_EXCEEDED,
                    ("bitmap '%s' would have %d bytes of bits, but at most %d are allowed; a larger"
                                    + " granularity than %d makes it smaller")
                            .formatted(
                                    Names.text(name),
                                    geometry.bytes(),
                                    DirectoryEntry.MAX_BITMAP_BYTES,
                                    geometry.granularity()));
        }
        if (count >= BitmapsExtension.MAX_BITMAPS) {
            throw new ChangeRefusedException(
                    Kind.LIMIT_EXCEEDED,
                    "the image has %d bitmaps, and no more are allowed".formatted(count));
        }
    }
}
