package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;

/// How often each cluster of the file is used (format text, "Host cluster management").
///
/// ```
/// per_block = cluster_size * 8 >> refcount_order
/// block     = table[cluster / per_block] & ~0x1ff     (0: no block, all refcounts 0)
/// refcount  = entry cluster % per_block of the block
/// ```
///
/// Entries of 8 bits and more are big-endian integers; narrower ones are packed from the least
/// significant bit of each byte.
public final class Refcounts {

    private static final long OFFSET_MASK = ~0x1ffL;

    private final ImageFile file;
    private final Header header;

    public Refcounts(ImageFile file, Header header) {
        this.file = file;
        this.header = header;
    }

    /// The refcount of one cluster, unsigned; 0 beyond what the refcount table covers.
    ///
    /// @param clusterIndex offset in the file divided by the cluster size
    public long of(long clusterIndex) throws IOException {
        int perBlockBits = header.clusterBits() + 3 - header.refcountOrder();
        long tableIndex = clusterIndex >>> perBlockBits;
        long tableEntries = (long) header.refcountTableClusters() << (header.clusterBits() - 3);
        if (clusterIndex < 0 || tableIndex >= tableEntries) {
            return 0;
        }
        long block = longAt(header.refcountTableOffset() + tableIndex * Long.BYTES) & OFFSET_MASK;
        if (block <= 0 || (block & (header.clusterSize() - 1)) != 0) {
            return 0;
        }
        long entry = clusterIndex & ((1L << perBlockBits) - 1);
        long bit = entry << header.refcountOrder();
        // The eight bytes that hold the entry: it never crosses them.
        long word = longAt(block + bit / 64 * Long.BYTES);
        int width = header.refcountBits();
        if (width == 64) {
            return word;
        }
        int inWord = (int) bit & 63;
        int shift = width >= 8 ? 64 - width - inWord : (7 - inWord / 8) * 8 + inWord % 8;
        return word >>> shift & ((1L << width) - 1);
    }

    private long longAt(long offset) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES);
        // Past the end of the file nothing is used; a partial word keeps its zero tail.
        file.read(offset, bytes);
        return bytes.getLong(0);
    }
}
