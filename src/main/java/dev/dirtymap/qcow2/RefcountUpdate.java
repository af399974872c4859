package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Allocator.Run;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Changes refcounts in the blocks that are there. Each block is read, changed and written once; a write that
/// is cut leaves each refcount old or new, since none crosses a sector.
final class RefcountUpdate {

    private final ImageFile file;
    private final Header header;
    private final int perBlockBits;

    /// @param header with the refcount table that is in force
    RefcountUpdate(ImageFile file, Header header) {
        this.file = file;
        this.header = header;
        this.perBlockBits = RefcountBlock.perBlockBits(header);
    }

    /// What becomes of one refcount.
    @FunctionalInterface
    interface Change {
        /// Says the new value; the old one to leave it.
        long of(long clusterIndex, long refcount);
    }

    /// Changes the refcounts of rows of clusters, in ascending order. What no block describes has refcount 0
    /// and keeps it.
    void apply(List<Run> runs, Change change) throws IOException {
        long loaded = -1;
        long offset = 0;
        byte[] bytes = new byte[header.clusterSize()];
        RefcountBlock block = new RefcountBlock(header.refcountOrder(), bytes);
        int dirtyFrom = Integer.MAX_VALUE;
        int dirtyTo = 0;
        for (Run run : runs) {
            for (long cluster = run.first(); cluster < run.end(); cluster++) {
                long index = cluster >>> perBlockBits;
                if (index != loaded) {
                    write(offset, bytes, dirtyFrom, dirtyTo);
                    dirtyFrom = Integer.MAX_VALUE;
                    dirtyTo = 0;
                    loaded = index;
                    offset = blockOffset(index);
                    if (offset != 0) {
                        Arrays.fill(bytes, (byte) 0);
                        file.read(offset, ByteBuffer.wrap(bytes));
                    }
                }
                if (offset == 0) {
                    continue;
                }
                int entry = (int) (cluster & ((1L << perBlockBits) - 1));
                long old = block.get(entry);
                long value = change.of(cluster, old);
                if (value != old) {
                    block.set(entry, value);
                    dirtyFrom = Math.min(dirtyFrom, block.byteOf(entry));
                    dirtyTo =
                            Math.max(
                                    dirtyTo,
                                    block.byteOf(entry) + Math.max(1, header.refcountBits() >>> 3));
                }
            }
        }
        write(offset, bytes, dirtyFrom, dirtyTo);
    }

    private void write(long offset, byte[] bytes, int from, int to) throws IOException {
        if (from < to) {
            file.write(offset + from, ByteBuffer.wrap(bytes, from, to - from));
        }
    }

    private long blockOffset(long index) throws IOException {
        if (index >= (long) header.refcountTableClusters() << (header.clusterBits() - 3)) {
            return 0;
        }
        ByteBuffer entry = ByteBuffer.allocate(Long.BYTES);
        file.read(header.refcountTableOffset() + index * Long.BYTES, entry);
        long offset = entry.getLong(0) & ~0x1ffL;
        return offset < 0 || (offset & (header.clusterSize() - 1)) != 0 ? 0 : offset;
    }

    /// Takes clusters out of use whose refcount is exactly 1.
    ///
    /// @return which these were
    List<Run> free(List<Run> runs) throws IOException {
        List<Run> freed = new ArrayList<>();
        apply(
                runs,
                (cluster, refcount) -> {
                    if (refcount != 1) {
                        return refcount;
                    }
                    Run last = freed.isEmpty() ? null : freed.getLast();
                    if (last != null && last.end() == cluster) {
                        freed.set(freed.size() - 1, new Run(last.first(), last.count() + 1));
                    } else {
                        freed.add(new Run(cluster, 1));
                    }
                    return 0;
                });
        return freed;
    }
}
