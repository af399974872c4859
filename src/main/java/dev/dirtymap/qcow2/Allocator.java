package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Chooses clusters to use, and the refcount blocks and the refcount table that they need.
///
/// Only clusters whose refcount is 0 are chosen, from the front of the file on, wherever it ends: an end
/// means nothing on a block device. Each index is looked at once, so what was chosen need not be kept.
///
/// A block that is missing is put where the first free cluster is, which may be one that it describes
/// itself.
final class Allocator {

    /// A row of clusters.
    ///
    /// @param first index of the first: offset in the file divided by the cluster size
    record Run(long first, long count) {

        long end() {
            return first + count;
        }
    }

    private static final int MAX_TABLE_BYTES = 8 << 20;
    private static final int PIECE = 64 << 10;

    /// What may be read of refcount blocks to find free clusters: those of a file of 128 TiB with clusters of
    /// 64 KiB.
    private static final long MAX_READ = 4L << 30;

    private static final int REFCOUNT_TABLE_AT = 48;

    private final ImageFile file;
    private final Header header;
    private final int perBlockBits;
    private final long tableEntries;
    private final Window table;
    private final long fileSize;
    private final byte[] blockBytes;
    private final RefcountBlock block;

    /// Which block is in [#block], by its index in the table; -1 for none.
    private long loaded = -1;

    private long read;

    private long cursor;
    private final List<Run> runs = new ArrayList<>();

    /// Index in the table, and the cluster that the block is to have.
    private final TreeMap<Long, Long> newBlocks = new TreeMap<>();

    private Run newTable = new Run(0, 0);

    /// @param from index of the first cluster to look at
    Allocator(ImageFile file, Header header, long from) throws IOException {
        this.cursor = from;
        this.file = file;
        this.header = header;
        this.perBlockBits = RefcountBlock.perBlockBits(header);
        this.tableEntries = (long) header.refcountTableClusters() << (header.clusterBits() - 3);
        this.fileSize = file.size();
        this.table = new Window(file, 4096, fileSize);
        this.blockBytes = new byte[header.clusterSize()];
        this.block = new RefcountBlock(header.refcountOrder(), blockBytes);
    }

    /// All that was chosen, in ascending order: for what was asked, for blocks and for the table.
    List<Run> runs() {
        return runs;
    }

    /// The blocks to make: index in the refcount table, and cluster.
    Map<Long, Long> newBlocks() {
        return newBlocks;
    }

    /// The refcount table to make; of no clusters if the old one does.
    Run newTable() {
        return newTable;
    }

    /// The row of clusters of this number, anywhere.
    List<Run> clusters(long count) throws IOException, ChangeRefusedException {
        List<Run> taken = new ArrayList<>();
        long left = count;
        while (left > 0) {
            long first = nextFree(cursor);
            long length = 1;
            while (length < left && nextFree(first + length) == first + length) {
                length++;
            }
            Run run = new Run(first, length);
            take(run);
            taken.add(run);
            left -= length;
        }
        return taken;
    }

    /// One row of clusters next to each other.
    Run contiguous(long count) throws IOException, ChangeRefusedException {
        long first = nextFree(cursor);
        long length = 1;
        while (length < count) {
            long next = nextFree(first + length);
            if (next == first + length) {
                length++;
            } else {
                first = next;
                length = 1;
            }
        }
        Run run = new Run(first, count);
        take(run);
        return run;
    }

    private void take(Run run) throws IOException, ChangeRefusedException {
        runs.add(run);
        cursor = run.end();
        for (long index = run.first() >>> perBlockBits;
                index <= (run.end() - 1) >>> perBlockBits;
                index++) {
            requireBlock(index);
        }
    }

    /// Makes sure that a block is there or will be.
    private void requireBlock(long index) throws IOException, ChangeRefusedException {
        if (newBlocks.containsKey(index) || blockOffset(index) != 0) {
            return;
        }
        long cluster = nextFree(cursor);
        newBlocks.put(index, cluster);
        take(new Run(cluster, 1));
    }

    /// Makes room in the refcount table for all new blocks. To be called once, last.
    ///
    /// @throws ChangeRefusedException if the table would be larger than QEMU takes
    void growTable() throws IOException, ChangeRefusedException {
        if (newBlocks.isEmpty() || newBlocks.lastKey() < tableEntries) {
            return;
        }
        long clusters = 0;
        long covered = 0;
        // The table's own clusters may need blocks that need entries.
        while (newBlocks.lastKey() >= covered) {
            long needed = (newBlocks.lastKey() + 1) * Long.BYTES;
            long bytes = Math.max(needed, Math.min(MAX_TABLE_BYTES, needed + needed / 2));
            clusters = (bytes + header.clusterSize() - 1) >>> header.clusterBits();
            if (clusters << header.clusterBits() > MAX_TABLE_BYTES) {
                throw new ChangeRefusedException(
                        Kind.LIMIT_EXCEEDED,
                        "the refcount table would have %d bytes; QEMU opens up to %d"
                                .formatted(clusters << header.clusterBits(), MAX_TABLE_BYTES));
            }
            if (clusters > newTable.count()) {
                if (newTable.count() > 0) {
                    // Not large enough after all: nobody knows of it yet.
                    runs.remove(newTable);
                }
                newTable = contiguous(clusters);
            }
            covered = newTable.count() << (header.clusterBits() - 3);
        }
    }

    /// The first cluster from `from` on whose refcount is 0.
    private long nextFree(long from) throws IOException, ChangeRefusedException {
        long at = from;
        while (true) {
            long index = at >>> perBlockBits;
            if (blockOffset(index) == 0) {
                return at;
            }
            load(index);
            int entry = (int) (at & ((1L << perBlockBits) - 1));
            int free = block.nextZero(entry);
            if (free < 1 << perBlockBits) {
                return (index << perBlockBits) + free;
            }
            at = (index + 1) << perBlockBits;
        }
    }

    /// Where a block is; 0 if there is none yet.
    long blockOffset(long index) throws IOException, ChangeRefusedException {
        if (index >= tableEntries) {
            return 0;
        }
        long at = header.refcountTableOffset() + index * Long.BYTES;
        long offset = at + Long.BYTES > fileSize ? 0 : table.view(at, Long.BYTES).getLong();
        if (offset != 0
                && ((offset & (header.clusterSize() - 1)) != 0
                        || offset < 0
                        || offset >= fileSize)) {
            throw new ChangeRefusedException(
                    Kind.IMAGE_CORRUPT,
                    ("refcount table: entry %d at file offset %d is 0x%x; it must be the offset of a"
                                    + " cluster within the file")
                            .formatted(index, at, offset));
        }
        return offset;
    }

    private void load(long index) throws IOException, ChangeRefusedException {
        if (loaded != index) {
            read += header.clusterSize();
            if (read > MAX_READ) {
                throw new ChangeRefusedException(
                        Kind.LIMIT_EXCEEDED,
                        "no free cluster is found in the first %d bytes of refcount blocks"
                                .formatted(MAX_READ));
            }
            loaded = -1;
            Arrays.fill(blockBytes, (byte) 0);
            // The file may end inside its last cluster.
            file.read(blockOffset(index), ByteBuffer.wrap(blockBytes));
            loaded = index;
        }
    }

    /// Makes sure of the disk space for all that was chosen, before the first byte is written, and for the
    /// refcounts of it: a file that was copied with holes may have one in a refcount block.
    void reserve() throws IOException, ChangeRefusedException {
        long last = -1;
        for (int i = 0; i < runs.size(); i++) {
            Run run = runs.get(i);
            try {
                for (long index = Math.max(last + 1, run.first() >>> perBlockBits);
                        index <= (run.end() - 1) >>> perBlockBits;
                        index++) {
                    reserveBlock(index);
                    last = index;
                }
                file.reserve(
                        run.first() << header.clusterBits(), run.count() << header.clusterBits());
            } catch (IOException e) {
                giveBack(runs.subList(0, i + 1));
                throw e;
            }
        }
    }

    /// Makes sure of the space of a refcount block, or of the entry for it.
    private void reserveBlock(long index) throws IOException, ChangeRefusedException {
        long block = blockOffset(index);
        if (block != 0) {
            file.reserve(block, header.clusterSize());
        } else if (index < tableEntries) {
            file.reserve(header.refcountTableOffset() + index * Long.BYTES, Long.BYTES);
        }
    }

    /// Gives back the space of clusters that nobody uses, if that works. What was left in one of them stays:
    /// only what is zero anyway may become a hole.
    void giveBack(List<Run> unused) {
        byte[] bytes = new byte[header.clusterSize()];
        byte[] zeros = new byte[header.clusterSize()];
        for (Run run : unused) {
            for (long cluster = run.first(); cluster < run.end(); cluster++) {
                long at = cluster << header.clusterBits();
                try {
                    Arrays.fill(bytes, (byte) 0);
                    file.read(at, ByteBuffer.wrap(bytes));
                    if (Arrays.equals(bytes, zeros)) {
                        file.discard(at, bytes.length);
                    }
                } catch (IOException untold) {
                    // It is unused all the same.
                }
            }
        }
    }

    /// Writes the new blocks and the new table, to which nothing points yet.
    void writeRefcounts() throws IOException {
        for (Map.Entry<Long, Long> made : newBlocks.entrySet()) {
            long first = made.getKey() << perBlockBits;
            long end = first + (1L << perBlockBits);
            RefcountBlock refcounts =
                    new RefcountBlock(header.refcountOrder(), new byte[header.clusterSize()]);
            for (Run run : runs) {
                for (long cluster = Math.max(run.first(), first);
                        cluster < Math.min(run.end(), end);
                        cluster++) {
                    refcounts.set((int) (cluster - first), 1);
                }
            }
            file.write(made.getValue() << header.clusterBits(), ByteBuffer.wrap(refcounts.bytes()));
        }
        if (newTable.count() > 0) {
            writeTable();
        }
    }

    private void writeTable() throws IOException {
        long length = newTable.count() << header.clusterBits();
        long oldLength = tableEntries * Long.BYTES;
        for (long at = 0; at < length; at += PIECE) {
            ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE, length - at));
            if (at < oldLength) {
                int part = (int) Math.min(piece.capacity(), oldLength - at);
                file.read(header.refcountTableOffset() + at, piece.slice(0, part));
            }
            for (Map.Entry<Long, Long> made : newBlocks.entrySet()) {
                long entryAt = made.getKey() * Long.BYTES - at;
                if (entryAt >= 0 && entryAt < piece.capacity()) {
                    piece.putLong((int) entryAt, made.getValue() << header.clusterBits());
                }
            }
            file.write((newTable.first() << header.clusterBits()) + at, piece);
        }
    }

    /// Brings the new blocks into force, and syncs. Either by their entries in the table, each within one
    /// sector, or by the two fields that say where the table is, which are in one sector too.
    void linkRefcounts() throws IOException {
        if (newBlocks.isEmpty()) {
            return;
        }
        if (newTable.count() > 0) {
            ByteBuffer fields = ByteBuffer.allocate(Long.BYTES + Integer.BYTES);
            fields.putLong(newTable.first() << header.clusterBits());
            fields.putInt((int) newTable.count());
            file.write(REFCOUNT_TABLE_AT, fields.flip());
        } else {
            for (Map.Entry<Long, Long> made : newBlocks.entrySet()) {
                ByteBuffer entry = ByteBuffer.allocate(Long.BYTES);
                entry.putLong(0, made.getValue() << header.clusterBits());
                file.write(header.refcountTableOffset() + made.getKey() * Long.BYTES, entry);
            }
        }
        file.sync();
    }
}
