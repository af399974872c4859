package dev.dirtymap.bench;

import java.util.Random;

/// Bits of a bitmap, least significant first, as the service takes them.
final class Bits {

    /// Bits of one cluster of a bitmap.
    private static final int PER_CLUSTER = 8 << 16;

    private Bits() {}

    /// So many granules, each alone, spread evenly.
    static byte[] spread(long bits, long count) {
        var bytes = new byte[Math.toIntExact((bits + 7) / 8)];
        for (long i = 0; i < count; i++) {
            set(bytes, i * bits / count);
        }
        return bytes;
    }

    /// So many granules, each alone: the same number in each cluster of the bitmap, and the rest in the first ones.
    static byte[] everyCluster(long bits, long count) {
        var bytes = new byte[Math.toIntExact((bits + 7) / 8)];
        long clusters = bits / PER_CLUSTER;
        for (long i = 0; i < count; i++) {
            long step = 16 * (1 + i / clusters);
            set(bytes, (i % clusters) * PER_CLUSTER + step);
        }
        return bytes;
    }

    /// So many granules anywhere.
    static byte[] random(long bits, long count, long seed) {
        var bytes = new byte[Math.toIntExact((bits + 7) / 8)];
        var random = new Random(seed);
        for (long i = 0; i < count; i++) {
            set(bytes, random.nextLong(bits));
        }
        return bytes;
    }

    private static void set(byte[] bytes, long bit) {
        bytes[(int) (bit >>> 3)] |= (byte) (1 << (bit & 7));
    }

    /// Sets in the first what is set in the second.
    static void or(byte[] bytes, byte[] other) {
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] |= other[i];
        }
    }

    /// What a list of these bits says.
    static Listed listed(byte[] bytes, long granularity) {
        var set = java.util.BitSet.valueOf(bytes);
        long ranges = 0;
        long dirty = 0;
        long hash = 0;
        for (int from = set.nextSetBit(0); from >= 0; ) {
            int to = set.nextClearBit(from);
            ranges++;
            dirty += (to - from) * granularity;
            hash = (hash * 31 + from * granularity) * 31 + to * granularity;
            from = set.nextSetBit(to);
        }
        return new Listed(ranges, dirty, hash);
    }
}
