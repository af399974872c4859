package dev.dirtymap.qcow2;

/// A run of the disk with one origin, told as `qemu-img map` tells it (`qemu-img.c`, `get_block_status`):
///
/// | its member | here |
/// |---|---|
/// | `start`, `length`, `depth` | the same |
/// | `present` | `allocation` is not `UNALLOCATED` |
/// | `data` | `allocation` is `DATA` |
/// | `zero` | `zero` |
/// | `compressed` (QEMU 8.2 and later) | `compressed` |
/// | `offset` | `hostOffset`, where there is one |
///
/// Two runs that touch differ in one of these, or do not touch in the file. Versions of QEMU that do not tell
/// `compressed` join such runs, too.
///
/// @param offset of the first byte
/// @param length in bytes, at least 1
/// @param depth which file it is in: 0 for the image itself, 1 for its backing file, and so on; where
///     no file has anything, the last one that reaches so far
/// @param zero whether zeros are read. Data can be zeros because the file has a hole there, and what is not
///     allocated is zeros if there is no backing file, or one that ends before
/// @param hostOffset where the run starts in the file, or in the external data file; -1 if it has no place or
///     one that means nothing to others (compressed, encrypted). Room may be there for zeros and for what is
///     not allocated
public record MapExtent(
        long offset,
        long length,
        int depth,
        Allocation allocation,
        boolean zero,
        boolean compressed,
        long hostOffset) {

    /// The offset after the last byte.
    public long end() {
        return offset + length;
    }
}
