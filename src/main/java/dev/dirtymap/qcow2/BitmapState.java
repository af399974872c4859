package dev.dirtymap.qcow2;

/// Whether a bitmap's content can be trusted, and if not, why.
public enum BitmapState {
    /// It can be trusted.
    CONSISTENT,
    /// `in_use` was left set: the program that kept it died before it stored it.
    INCONSISTENT,
    /// `in_use` is set and a program holds the image now: the real content is in that program.
    IN_USE,
    /// The extension's autoclear bit is not set: some program changed the image without knowing bitmaps.
    ORPHANED,
    /// Legal but unknown to us or to QEMU: another type, a flag, extra data, a granularity out of range.
    UNSUPPORTED,
    /// A structure breaks the format or points past the end of the file.
    CORRUPT
}
