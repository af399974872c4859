package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// Whether QEMU believes that clusters were allocated without being written
/// (`qcow2_detect_metadata_preallocation` of `block/qcow2-refcount.c`): only then does it look for holes under
/// an image's data. It compares what the file takes on the disk with the clusters that are in use:
///
/// ```
/// real      = allocated_bytes / cluster_size
/// threshold = max(real * 10 / 9, real + 2)
/// sparse    = at least `threshold` clusters of the file have a refcount other than 0
/// ```
///
/// Works in small steps, since that can mean reading every refcount.
final class SparseCheck {

    /// What is known so far.
    enum Answer {
        UNDECIDED,
        SPARSE,
        DENSE
    }

    private static final long OFFSET_MASK = ~0x1ffL;
    private static final int PIECE = 4096;

    private final Header header;
    private final TableReader table;
    private final ImageFile file;
    private final byte[] block;
    private final long clusters;
    private final long threshold;
    private final long tableEntries;
    private long nextBlock;
    private long used;
    private Answer answer = Answer.UNDECIDED;

    SparseCheck(ImageFile file, Header header) throws IOException {
        this.header = header;
        this.table = new TableReader(file, PIECE);
        this.file = file;
        this.block = new byte[header.clusterSize()];
        int clusterBits = header.clusterBits();
        this.clusters =
                (HostHoles.sectors(table.fileSize()) + header.clusterSize() - 1) >>> clusterBits;
        long real = file.allocatedBytes() >>> clusterBits;
        this.threshold = Math.max(real * 10 / 9, real + 2);
        this.tableEntries = (long) header.refcountTableClusters() << (clusterBits - 3);
        decide();
    }

    Answer answer() {
        return answer;
    }

    /// Goes on by one refcount block, or by a piece of the table without any.
    void step() throws IOException {
        if (answer != Answer.UNDECIDED) {
            return;
        }
        long at = header.refcountTableOffset() + nextBlock * Long.BYTES;
        int count = (int) Math.min(PIECE / Long.BYTES, tableEntries - nextBlock);
        ByteBuffer entries = table.read(at, count * Long.BYTES);
        int i = 0;
        while (i < count && isEmpty(entries.getLong(i * Long.BYTES) & OFFSET_MASK)) {
            i++;
        }
        nextBlock += i;
        if (i < count) {
            countBlock(entries.getLong(i * Long.BYTES) & OFFSET_MASK);
            nextBlock++;
        }
        decide();
    }

    /// Whether all refcounts of a block are 0 because there is none, or none within the file.
    private boolean isEmpty(long blockOffset) {
        return blockOffset == 0
                || (blockOffset >= table.fileSize()
                        && (blockOffset & (header.clusterSize() - 1)) == 0);
    }

    private void countBlock(long blockOffset) throws IOException {
        if ((blockOffset & (header.clusterSize() - 1)) != 0
                || !Header.isReadable(blockOffset, header.clusterSize())) {
            // QEMU does without the holes when a refcount cannot be read.
            answer = Answer.DENSE;
            return;
        }
        int perBlockBits = RefcountBlock.perBlockBits(header);
        Arrays.fill(block, file.read(blockOffset, ByteBuffer.wrap(block)), block.length, (byte) 0);
        RefcountBlock refcounts = new RefcountBlock(header.refcountOrder(), block);
        int count = (int) Math.min(1L << perBlockBits, clusters - (nextBlock << perBlockBits));
        for (int i = 0; i < count; i++) {
            if (refcounts.get(i) != 0) {
                used++;
            }
        }
    }

    private void decide() {
        if (answer != Answer.UNDECIDED) {
            return;
        }
        long seen = Math.min(clusters, nextBlock << RefcountBlock.perBlockBits(header));
        long left = nextBlock >= tableEntries ? 0 : clusters - seen;
        if (used >= threshold) {
            answer = Answer.SPARSE;
        } else if (used + left < threshold) {
            answer = Answer.DENSE;
        }
    }
}
