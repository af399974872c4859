package dev.dirtymap.qcow2;

/// One thing that is wrong with an image.
///
/// @param structure where, as people write it
/// @param offset in the file: of the field, or of the first cluster that is counted wrongly
/// @param message a sentence with the value and what was expected
/// @param fatal whether QEMU would not open the image because of it
/// @param repair what removes it
public record Finding(String structure, long offset, String message, boolean fatal, Repair repair) {

    /// The repairs of a check.
    public enum Repair {
        /// None of ours: it concerns guest data, or more than one owner.
        NONE,
        /// Lowers the refcounts of clusters that nothing refers to that often.
        LEAKS,
        /// Gives up bitmaps that break the format.
        BITMAPS
    }
}
