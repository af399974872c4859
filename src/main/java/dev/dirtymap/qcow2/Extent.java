package dev.dirtymap.qcow2;

/// A run of guest bytes that are all dirty or all clean.
///
/// @param offset of the first byte
/// @param length in bytes, at least 1
public record Extent(long offset, long length, boolean dirty) {

    /// The offset after the last byte.
    public long end() {
        return offset + length;
    }
}
