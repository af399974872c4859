package dev.dirtymap.qcow2;

/// One thing that a repair does, or would do.
public sealed interface RepairAction {

    /// Lowers refcounts to the number of references.
    ///
    /// @param clusters how many
    record FreeClusters(long clusters) implements RepairAction {}

    /// Gives up one bitmap.
    ///
    /// @param reason what is wrong with it
    record DropBitmap(byte[] name, String reason) implements RepairAction {}

    /// Gives up all bitmaps, because their directory cannot be read.
    ///
    /// @param reason what is wrong with it
    record DropAllBitmaps(String reason) implements RepairAction {}
}
