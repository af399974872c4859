package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// An image that does not exist yet: version 3, 16-bit refcounts, no guest data. Laid out front to back as
/// header, refcount table, refcount blocks, L1 table, bitmap directory, then table and data of each bitmap.
public final class NewImage {

    private static final int HEADER_LENGTH = 112;
    private static final int REFCOUNT_ORDER = 4;

    private final int clusterBits;
    private final long virtualSize;
    private final List<NewBitmap> bitmaps = new ArrayList<>();

    private record NewBitmap(byte[] name, Geometry geometry, boolean enabled, List<Extent> dirty) {}

    /// @param virtualSize in bytes, a multiple of 512
    /// @param clusterSize in bytes, a power of two from 512 to 2 MiB
    public NewImage(long virtualSize, int clusterSize) {
        if (virtualSize < 0 || virtualSize % 512 != 0) {
            throw new IllegalArgumentException(
                    "virtualSize must be a multiple of 512 but was " + virtualSize);
        }
        if (Integer.bitCount(clusterSize) != 1 || clusterSize < 512 || clusterSize > 2 << 20) {
            throw new IllegalArgumentException(
                    "clusterSize must be a power of two from 512 to 2097152 but was "
                            + clusterSize);
        }
        this.virtualSize = virtualSize;
        this.clusterBits = Integer.numberOfTrailingZeros(clusterSize);
        if (new Addressing(clusterBits, false).l1EntriesFor(virtualSize) > Header.MAX_L1_ENTRIES) {
            throw new IllegalArgumentException(
                    "virtualSize must be small enough for clusters of %d bytes but was %d"
                            .formatted(clusterSize, virtualSize));
        }
    }

    /// Adds a bitmap.
    ///
    /// @param name 1 to 1023 bytes of UTF-8 without NUL, unlike that of any other bitmap
    /// @param granularity in bytes, a power of two from 512 to 2 GiB, for 1 bit to 512 MiB of bits
    /// @param dirty extents on the disk whose granules are set; the clean ones of the list are ignored
    public NewImage bitmap(String name, long granularity, boolean enabled, List<Extent> dirty) {
        if (Long.bitCount(granularity) != 1 || granularity < 512 || granularity > 1L << 31) {
            throw new IllegalArgumentException(
                    "granularity must be a power of two from 512 to 2147483648 but was "
                            + granularity);
        }
        Geometry geometry =
                new Geometry(virtualSize, Long.numberOfTrailingZeros(granularity), clusterBits);
        if (geometry.tableSize() < 1
                || geometry.tableSize() << clusterBits > DirectoryEntry.MAX_BITMAP_BYTES) {
            throw new IllegalArgumentException(
                    "granularity must be one for which the disk has 1 bit to 512 MiB of bits but was "
                            + granularity);
        }
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length < 1
                || bytes.length > 1023
                || name.indexOf(0) >= 0
                || bitmaps.stream().anyMatch(other -> Arrays.equals(other.name, bytes))) {
            throw new IllegalArgumentException(
                    "name must be unique and have 1 to 1023 bytes, none of them NUL, but was "
                            + name);
        }
        if (dirty.stream().anyMatch(e -> e.offset() < 0 || e.end() > virtualSize)) {
            throw new IllegalArgumentException(
                    "dirty extents must be within the disk of %d bytes".formatted(virtualSize));
        }
        bitmaps.add(new NewBitmap(bytes, geometry, enabled, List.copyOf(dirty)));
        return this;
    }

    /// Writes the whole image to an empty file. The caller syncs and closes it.
    public void writeTo(FileChannel channel) throws IOException {
        Addressing addressing = new Addressing(clusterBits, false);
        int l1Size = Math.toIntExact(addressing.l1EntriesFor(virtualSize));
        List<byte[]> bits = bitmaps.stream().map(NewImage::bits).toList();
        int directorySize = bitmaps.stream().mapToInt(b -> entryLength(b.name)).sum();
        long afterL1 = clusters(l1Size * 8L);
        long payload = afterL1;
        if (!bitmaps.isEmpty()) {
            payload += clusters(directorySize);
        }
        for (NewBitmap bitmap : bitmaps) {
            payload += clusters(bitmap.geometry.tableSize() * 8) + bitmap.geometry.tableSize();
        }
        long perBlock = (8L << clusterBits) >> REFCOUNT_ORDER;
        long blocks = 0;
        long tableClusters = 0;
        long total = 0;
        // Refcount blocks count themselves: grow until they cover everything.
        while (total == 0 || blocks * perBlock < total) {
            blocks++;
            tableClusters = clusters(blocks * Long.BYTES);
            total = 1 + tableClusters + blocks + payload;
        }
        long refcountTable = 1L << clusterBits;
        long firstBlock = (1 + tableClusters) << clusterBits;
        long l1Table = (1 + tableClusters + blocks) << clusterBits;
        long directory = l1Table + (afterL1 << clusterBits);

        write(
                channel,
                0,
                header(l1Size, l1Table, refcountTable, tableClusters, directorySize, directory));
        ByteBuffer table = ByteBuffer.allocate(Math.toIntExact(blocks * Long.BYTES));
        for (long block = 0; block < blocks; block++) {
            table.putLong(firstBlock + (block << clusterBits));
            writeRefcounts(channel, firstBlock + (block << clusterBits), total - block * perBlock);
        }
        write(channel, refcountTable, table.flip());
        if (!bitmaps.isEmpty()) {
            writeBitmaps(channel, directory, directorySize, bits);
        }
        // The file ends with its last cluster, also where nothing was written into it.
        if (channel.size() < total << clusterBits) {
            write(channel, (total << clusterBits) - 1, ByteBuffer.allocate(1));
        }
    }

    private ByteBuffer header(
            int l1Size,
            long l1Table,
            long refcountTable,
            long tableClusters,
            int directorySize,
            long directory) {
        ByteBuffer header = ByteBuffer.allocate(1 << clusterBits);
        header.putInt(Header.MAGIC).putInt(3).putLong(0).putInt(0).putInt(clusterBits);
        header.putLong(virtualSize).putInt(0).putInt(l1Size).putLong(l1Table);
        header.putLong(refcountTable).putInt(Math.toIntExact(tableClusters));
        header.putInt(0).putLong(0);
        header.putLong(0).putLong(0).putLong(bitmaps.isEmpty() ? 0 : 1);
        header.putInt(REFCOUNT_ORDER).putInt(HEADER_LENGTH).putLong(0);
        if (!bitmaps.isEmpty()) {
            header.putInt(HeaderExtension.BITMAPS).putInt(BitmapsExtension.SIZE);
            header.put(new BitmapsExtension(bitmaps.size(), directorySize, directory).toBytes());
        }
        return header.putLong(0).flip();
    }

    private void writeRefcounts(FileChannel channel, long offset, long clusters)
            throws IOException {
        ByteBuffer block = ByteBuffer.allocate(1 << clusterBits);
        for (long i = 0; i < clusters && block.hasRemaining(); i++) {
            block.putShort((short) 1);
        }
        write(channel, offset, block.flip());
    }

    private void writeBitmaps(
            FileChannel channel, long directory, int directorySize, List<byte[]> bits)
            throws IOException {
        ByteBuffer entries = ByteBuffer.allocate(directorySize);
        long next = directory + (clusters(directorySize) << clusterBits);
        for (int i = 0; i < bitmaps.size(); i++) {
            NewBitmap bitmap = bitmaps.get(i);
            int tableSize = Math.toIntExact(bitmap.geometry.tableSize());
            long data = next + (clusters(tableSize * 8L) << clusterBits);
            int entryStart = entries.position();
            new DirectoryEntry(
                            0,
                            next,
                            tableSize,
                            bitmap.enabled ? DirectoryEntry.AUTO : 0,
                            1,
                            bitmap.geometry.granularityBits(),
                            bitmap.name.length,
                            0)
                    .write(entries);
            entries.put(bitmap.name).position(entryStart + entryLength(bitmap.name));
            ByteBuffer table = ByteBuffer.allocate(tableSize * Long.BYTES);
            for (int cluster = 0; cluster < tableSize; cluster++) {
                table.putLong(data + ((long) cluster << clusterBits));
            }
            write(channel, next, table.flip());
            write(channel, data, ByteBuffer.wrap(bits.get(i)));
            next = data + ((long) tableSize << clusterBits);
        }
        write(channel, directory, entries.flip());
    }

    /// The bits of a bitmap, in memory: made for the small images that are created with content.
    private static byte[] bits(NewBitmap bitmap) {
        Geometry geometry = bitmap.geometry;
        byte[] bytes = new byte[Math.toIntExact(geometry.bytes() + 7 & -8L)];
        ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (Extent extent : bitmap.dirty) {
            long end = geometry.firstBitFrom(extent.end());
            for (long bit = geometry.bitOf(extent.offset()); extent.dirty() && bit < end; bit++) {
                int at = (int) (bit >>> 6) << 3;
                words.putLong(at, words.getLong(at) | 1L << (bit & 63));
            }
        }
        return bytes;
    }

    private static int entryLength(byte[] name) {
        return (DirectoryEntry.SIZE + name.length + 7) & -8;
    }

    private long clusters(long bytes) {
        return (bytes + (1L << clusterBits) - 1) >>> clusterBits;
    }

    private static void write(FileChannel channel, long offset, ByteBuffer bytes)
            throws IOException {
        while (bytes.hasRemaining()) {
            offset += channel.write(bytes, offset);
        }
    }
}
