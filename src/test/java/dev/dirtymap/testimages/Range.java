package dev.dirtymap.testimages;

/// A stretch of the guest disk, in bytes, and whether a bitmap calls it dirty.
public record Range(long offset, long length, boolean dirty) {

    public long end() {
        return Math.addExact(offset, length);
    }
}
