package dev.dirtymap.qcow2;

/// How guest data is encrypted (`crypt_method`, header bytes 32 to 35).
/// Bitmaps are in clear text in each case.
public enum Encryption {
    NONE,
    AES,
    LUKS
}
