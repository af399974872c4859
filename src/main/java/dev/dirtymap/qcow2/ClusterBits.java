package dev.dirtymap.qcow2;

import java.util.Arrays;

/// One cluster of bitmap data in the making. Bit n is bit n % 8, from the least significant, of byte n / 8.
final class ClusterBits {

    private final byte[] bytes;
    private boolean touched;

    ClusterBits(int clusterSize) {
        this.bytes = new byte[clusterSize];
    }

    byte[] bytes() {
        return bytes;
    }

    /// Clears all.
    void reset() {
        if (touched) {
            Arrays.fill(bytes, (byte) 0);
            touched = false;
        }
    }

    /// Sets the bits from `from` to the one before `to`.
    void set(int from, int to) {
        touched = true;
        int first = from >>> 3;
        int last = to >>> 3;
        if (first == last) {
            bytes[first] |= (byte) (mask(to) & ~mask(from));
            return;
        }
        bytes[first] |= (byte) ~mask(from);
        Arrays.fill(bytes, first + 1, last, (byte) 0xff);
        if ((to & 7) != 0) {
            bytes[last] |= (byte) mask(to);
        }
    }

    /// Clears the bits from `from` to the one before `to`.
    void clear(int from, int to) {
        int first = from >>> 3;
        int last = to >>> 3;
        if (first == last) {
            bytes[first] &= (byte) ~(mask(to) & ~mask(from));
            return;
        }
        bytes[first] &= (byte) mask(from);
        Arrays.fill(bytes, first + 1, last, (byte) 0);
        if ((to & 7) != 0) {
            bytes[last] &= (byte) ~mask(to);
        }
    }

    /// Sets what is set in bytes that begin at a bit divisible by 8.
    ///
    /// @return whether there was any
    boolean or(int atBit, byte[] source, int from, int length) {
        touched = true;
        int at = atBit >>> 3;
        int any = 0;
        for (int i = 0; i < length; i++) {
            bytes[at + i] |= source[from + i];
            any |= source[from + i];
        }
        return any != 0;
    }

    private static int mask(int bit) {
        return (1 << (bit & 7)) - 1;
    }

    boolean isZero() {
        for (byte b : bytes) {
            if (b != 0) {
                return false;
            }
        }
        return true;
    }

    /// Whether every bit of the cluster is set.
    boolean isOnes() {
        for (byte b : bytes) {
            if (b != -1) {
                return false;
            }
        }
        return true;
    }
}
