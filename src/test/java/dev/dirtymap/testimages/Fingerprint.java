package dev.dirtymap.testimages;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/// Tells contents of a file apart by 128 bits. It is the exclusive or of those of its parts, so a part that is put in
/// place of another costs only these two.
record Fingerprint(long high, long low) {

    static final Fingerprint NONE = new Fingerprint(0, 0);

    private static final long LENGTH = -1;

    static Fingerprint of(long index, byte[] sector) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(ByteBuffer.allocate(Long.BYTES).putLong(index).flip());
            ByteBuffer hash = ByteBuffer.wrap(digest.digest(sector));
            return new Fingerprint(hash.getLong(), hash.getLong());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    static Fingerprint ofLength(long length) {
        return of(LENGTH, ByteBuffer.allocate(Long.BYTES).putLong(length).array());
    }

    /// With this part too, or without it if it was there.
    Fingerprint and(Fingerprint part) {
        return new Fingerprint(high ^ part.high, low ^ part.low);
    }
}
