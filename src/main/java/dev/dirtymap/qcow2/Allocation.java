package dev.dirtymap.qcow2;

/// What one file of a chain has at a place of the disk.
public enum Allocation {
    /// Bytes that the guest wrote, or room for them.
    DATA,
    /// The word that it reads as zeros.
    ZERO,
    /// Nothing: what the backing file has there counts.
    UNALLOCATED
}
