package dev.dirtymap.qcow2;

/// How compressed clusters are packed (`compression_type`, header byte 104).
public enum Compression {
    /// Raw deflate, which QEMU calls zlib.
    ZLIB,
    ZSTD
}
