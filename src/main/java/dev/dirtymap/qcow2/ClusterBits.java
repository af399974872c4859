package dev.dirtymap.qcow2;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/// One cluster of bitmap data in the making. Bit n is bit n % 8, from the least significant, of byte n / 8.
final class ClusterBits {

    private static final VarHandle WORDS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

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
        int words = length & -Long.BYTES;
        long any = 0;
        for (int i = 0; i < words; i += Long.BYTES) {
            long word = (long) WORDS.get(source, from + i);
            WORDS.set(bytes, at + i, (long) WORDS.get(bytes, at + i) | word);
            any |= word;
        }
        for (int i = words; i < length; i++) {
            bytes[at + i] |= source[from + i];
            any |= source[from + i];
        }
        return any != 0;
    }

    private static int mask(int bit) {
        return (1 << (bit & 7)) - 1;
    }

    boolean isZero() {
        // Clusters have 512 bytes and more.
        for (int i = 0; i < bytes.length; i += Long.BYTES) {
            if ((long) WORDS.get(bytes, i) != 0) {
                return false;
            }
        }
        return true;
    }

    /// Whether there are set and clear bits among the first ones.
    ///
    /// @param count how many, a multiple of 8
    boolean isMixed(int count) {
        int length = count >>> 3;
        for (int i = 0; i < length; i++) {
            if (bytes[i] != bytes[0]) {
                return true;
            }
        }
        return length > 0 && bytes[0] != 0 && bytes[0] != -1;
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
