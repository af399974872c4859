package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.testimages.MemoryImageFile;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/// A bitmap in a file in memory, with everything that the format allows: entries for all zeros and all ones, data
/// clusters in any order and with any content, garbage in the bits past the end, and a file that ends with the last bit.
///
/// @param bits the bits as they should be read
/// @param file holds table and data, and nothing else
record RandomBitmap(Geometry geometry, BitSet bits, MemoryImageFile file, long tableOffset) {

    private static final int[] CLUSTER_BITS = {9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 11, 12, 16};

    /// How the bits of one cluster are chosen.
    private enum Texture {
        CLEAR,
        SET,
        NOISE,
        RUNS,
        FEW
    }

    /// What is done with the order of the data clusters in the file.
    private enum Order {
        AS_IN_TABLE,
        REVERSED,
        SHUFFLED,
        MOSTLY_AS_IN_TABLE
    }

    static RandomBitmap of(Random random) {
        int clusterBits = CLUSTER_BITS[random.nextInt(CLUSTER_BITS.length)];
        int granularityBits = 9 + random.nextInt(23);
        long perCluster = 8L << clusterBits;
        long count =
                random.nextInt(5) == 0
                        ? 1 + random.nextLong(200)
                        : 1 + random.nextLong(perCluster * (clusterBits == 16 ? 2 : 7));
        // The last granule may be partial.
        long last = 1 + random.nextLong(1L << (granularityBits - 9));
        var geometry =
                new Geometry(
                        ((count - 1) << granularityBits) + last * 512,
                        granularityBits,
                        clusterBits);
        return of(geometry, random);
    }

    /// A bitmap of at most 2^31 - 1 bits.
    static RandomBitmap of(Geometry geometry, Random random) {
        int clusterSize = 1 << geometry.clusterBits();
        int perCluster = 8 << geometry.clusterBits();
        int count = (int) geometry.bits();
        int entries = (int) geometry.tableSize();
        var bits = new BitSet(count);
        for (int entry = 0; entry < entries; entry++) {
            int start = entry * perCluster;
            fill(bits, start, Math.min(count, start + perCluster), random);
        }
        long tableOffset = clusterSize * (1L + random.nextInt(3));
        long[] offsets =
                offsets(
                        entries,
                        tableOffset + clusterSize * (long) tableClusters(geometry),
                        clusterSize,
                        random);
        long end = Arrays.stream(offsets).max().orElse(tableOffset) + clusterSize;
        var bytes = new byte[(int) end];
        random.nextBytes(bytes);
        ByteBuffer file = ByteBuffer.wrap(bytes);
        long lastByte = tableOffset + entries * 8L;
        for (int entry = 0; entry < entries; entry++) {
            int start = entry * perCluster;
            int stop = Math.min(count, start + perCluster);
            long raw = offsets[entry];
            if (bits.nextSetBit(start) < 0 || bits.nextSetBit(start) >= stop) {
                raw = random.nextBoolean() ? 0 : raw;
            } else if (bits.nextClearBit(start) >= stop) {
                raw = random.nextBoolean() ? 1 : raw;
            }
            file.putLong((int) tableOffset + entry * 8, raw);
            if (raw > 1) {
                store(bits, start, stop, bytes, (int) raw);
                lastByte = Math.max(lastByte, raw + (stop - start + 7) / 8);
            }
        }
        int length = random.nextBoolean() ? bytes.length : (int) lastByte;
        return new RandomBitmap(
                geometry, bits, new MemoryImageFile(Arrays.copyOf(bytes, length)), tableOffset);
    }

    private static int tableClusters(Geometry geometry) {
        return (int) (((geometry.tableSize() * 8 - 1) >> geometry.clusterBits()) + 1);
    }

    private static void fill(BitSet bits, int from, int to, Random random) {
        switch (List.of(Texture.values()).get(random.nextInt(5))) {
            case CLEAR -> {}
            case SET -> bits.set(from, to);
            case NOISE -> {
                // Enough to fill some words: each bit makes an extent.
                int start = from + random.nextInt(to - from);
                for (int bit = start; bit < Math.min(to, start + 500); bit++) {
                    bits.set(bit, random.nextBoolean());
                }
            }
            case RUNS -> {
                for (int bit = from; bit < to; ) {
                    int next = (int) Math.min(to, bit + 1L + random.nextInt(1 + (to - from) / 8));
                    bits.set(bit, next, random.nextBoolean());
                    bit = next;
                }
            }
            case FEW -> {
                for (int i = 0; i < 3; i++) {
                    bits.set(from + random.nextInt(to - from));
                }
            }
        }
    }

    private static long[] offsets(int entries, long first, int clusterSize, Random random) {
        List<Long> free = new ArrayList<>();
        for (int i = 0; i < entries + 2; i++) {
            free.add(first + (long) i * clusterSize);
        }
        switch (List.of(Order.values()).get(random.nextInt(4))) {
            case AS_IN_TABLE -> {}
            case REVERSED -> Collections.reverse(free);
            case SHUFFLED -> Collections.shuffle(free, random);
            case MOSTLY_AS_IN_TABLE -> Collections.swap(free, random.nextInt(free.size()), 0);
        }
        return free.stream().mapToLong(Long::longValue).limit(entries).toArray();
    }

    /// Writes bits over garbage, and leaves the garbage that follows the last one.
    private static void store(BitSet bits, int from, int to, byte[] bytes, int at) {
        for (int bit = from; bit < to; bit++) {
            int mask = 1 << ((bit - from) & 7);
            int index = at + (bit - from) / 8;
            bytes[index] = (byte) (bits.get(bit) ? bytes[index] | mask : bytes[index] & ~mask);
        }
    }

    BitmapReader reader() {
        return reader(file);
    }

    /// Reads the bits from another file of the same content.
    BitmapReader reader(ImageFile other) {
        return new BitmapReader(other, tableOffset, geometry);
    }

    /// The extents of a window, found bit by bit.
    List<Extent> extents(Selection selection, long windowStart, long windowEnd) {
        List<Extent> extents = new ArrayList<>();
        for (int bit = 0; bit < geometry.bits(); bit++) {
            long granuleStart = (long) bit << geometry.granularityBits();
            long granuleEnd =
                    Math.min(granuleStart + geometry.granularity(), geometry.virtualSize());
            long start = Math.max(windowStart, granuleStart);
            long end = Math.min(windowEnd, granuleEnd);
            boolean dirty = bits.get(bit);
            if (start >= end) {
                continue;
            }
            if (!extents.isEmpty() && extents.getLast().dirty() == dirty) {
                Extent before = extents.removeLast();
                start = before.offset();
            }
            extents.add(new Extent(start, end - start, dirty));
        }
        extents.removeIf(extent ->
                switch (selection) {
                    case DIRTY -> !extent.dirty();
                    case CLEAN -> extent.dirty();
                    case ALL -> false;
                });
        return extents;
    }

    @Override
    public String toString() {
        return geometry.toString();
    }
}
