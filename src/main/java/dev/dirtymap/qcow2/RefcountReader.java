package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// Refcounts of many clusters, best asked for in ascending order: one block is held at a time
/// ([Refcounts] reads single ones).
final class RefcountReader {

    private static final long OFFSET_MASK = ~0x1ffL;
    private static final int PIECE = 4096;

    private final Header header;
    private final TableReader table;
    private final TableReader blocks;
    private final int blockBits;
    private final long tableEntries;
    private long pieceStart = -1;
    private @Nullable ByteBuffer piece;
    private long blockIndex = -1;
    private long blockOffset;
    private @Nullable ByteBuffer block;

    RefcountReader(ImageFile file, Header header) throws IOException {
        this.header = header;
        this.table = new TableReader(file, PIECE);
        this.blocks = new TableReader(file, header.clusterSize());
        this.blockBits = header.clusterBits() + 3 - header.refcountOrder();
        this.tableEntries = (long) header.refcountTableClusters() << (header.clusterBits() - 3);
    }

    /// The entry of the refcount table that a cluster's refcount is found through.
    int blockOf(long cluster) {
        return (int) Math.min(cluster >>> blockBits, Integer.MAX_VALUE);
    }

    /// The entries of the refcount table that hold no offset of a cluster.
    BitSet unreadableBlocks() throws IOException {
        BitSet unreadable = new BitSet();
        for (int index = 0; index < tableEntries; index++) {
            seek(index);
            if (!isReadable()) {
                unreadable.set(index);
            }
        }
        return unreadable;
    }

    private boolean isReadable() {
        return (blockOffset & (header.clusterSize() - 1)) == 0
                && Header.isReadable(blockOffset, header.clusterSize());
    }

    /// The refcount, unsigned; 0 if its block is missing or not readable.
    long of(long cluster) throws IOException {
        seek(cluster >>> blockBits);
        if (blockOffset == 0 || !isReadable()) {
            return 0;
        }
        ByteBuffer bytes = block;
        if (bytes == null) {
            bytes = blocks.read(blockOffset, header.clusterSize());
            block = bytes;
        }
        int entry = (int) (cluster & ((1L << blockBits) - 1));
        int order = header.refcountOrder();
        return switch (order) {
            case 6 -> bytes.getLong(entry << 3);
            case 5 -> Integer.toUnsignedLong(bytes.getInt(entry << 2));
            case 4 -> bytes.getShort(entry << 1) & 0xffff;
            case 3 -> bytes.get(entry) & 0xff;
            default -> {
                int perByte = 3 - order;
                int shift = (entry & ((1 << perByte) - 1)) << order;
                yield (bytes.get(entry >> perByte) & 0xff) >> shift & ((1 << (1 << order)) - 1);
            }
        };
    }

    private void seek(long index) throws IOException {
        if (index == blockIndex) {
            return;
        }
        block = null;
        blockOffset = index < tableEntries ? tableEntry(index) & OFFSET_MASK : 0;
        blockIndex = index;
    }

    private long tableEntry(long index) throws IOException {
        long at = header.refcountTableOffset() + index * Long.BYTES;
        ByteBuffer bytes = piece;
        if (bytes == null || at < pieceStart || at >= pieceStart + PIECE) {
            pieceStart = at;
            bytes = table.read(at, PIECE);
            piece = bytes;
        }
        return bytes.getLong((int) (at - pieceStart));
    }
}
