package dev.dirtymap.qcow2;

/// The bitmaps of one image in one word.
public enum BitmapsState {
    /// There are none.
    NONE,
    /// Nothing is wrong with the structures; a bitmap may still be inconsistent.
    VALID,
    /// There is a bitmaps extension without its autoclear bit.
    ORPHANED,
    /// At least one bitmap uses something we or QEMU do not know.
    UNSUPPORTED,
    /// At least one structure breaks the format.
    CORRUPT
}
