package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Allocator.Run;
import dev.dirtymap.qcow2.Content.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A bitmap table and its data clusters in the making. Content is worked out twice, once to know how many
/// clusters it takes and once to write it, so that none of it is ever held.
final class TablePlan {

    private static final int PIECE = 64 << 10;

    private final ImageFile file;
    private final Geometry geometry;
    private final Content content;
    private final Content.@Nullable Source own;
    private final long oldTableOffset;

    /// How many data clusters are to be written.
    private long freshClusters;

    private List<Run> data = List.of();
    private @Nullable Run table;

    /// @param own what the bitmap has now, if it is stored with this very geometry
    /// @param oldTableOffset where; 0 for a bitmap that is not stored
    TablePlan(
            ImageFile file,
            Geometry geometry,
            Content content,
            Content.@Nullable Source own,
            long oldTableOffset) {
        this.file = file;
        this.geometry = geometry;
        this.content = content;
        this.own = own;
        this.oldTableOffset = oldTableOffset;
    }

    /// Works out how many clusters it takes, and which of the old ones are left.
    void measure(ClusterUse use) throws IOException {
        Window old = oldTable();
        content.kinds(
                geometry,
                own,
                (index, kind, _) -> {
                    if (kind == Kind.MIXED) {
                        freshClusters++;
                    }
                    if (own != null
                            && kind != Kind.KEPT
                            && oldEntry(old, index) instanceof TableEntry.Data(long hostOffset)) {
                        use.leave(hostOffset, 1);
                    }
                });
        if (own != null) {
            use.leave(oldTableOffset, geometry.tableSize() * Long.BYTES);
        }
    }

    void allocate(Allocator allocator) throws IOException, ChangeRefusedException {
        data = allocator.clusters(freshClusters);
        long clusterSize = 1L << geometry.clusterBits();
        table =
                allocator.contiguous(
                        (geometry.tableSize() * Long.BYTES + clusterSize - 1)
                                >>> geometry.clusterBits());
    }

    /// Where the table will be.
    long tableOffset() {
        if (table == null) {
            throw new IllegalStateException("not allocated yet");
        }
        return table.first() << geometry.clusterBits();
    }

    /// Writes data and table. Nothing refers to them yet.
    void write() throws IOException {
        Window old = oldTable();
        ByteBuffer entries = ByteBuffer.allocate(PIECE);
        long[] entriesAt = {tableOffset()};
        Clusters fresh = new Clusters(data.iterator(), geometry.clusterBits());
        content.evaluate(
                geometry,
                own,
                (index, kind, bits) -> {
                    long entry =
                            switch (kind) {
                                case KEPT -> old.view(oldAt(index), Long.BYTES).getLong();
                                case ZEROS -> 0;
                                case ONES -> TableEntry.ALL_ONES;
                                case MIXED -> fresh.next();
                            };
                    if (kind == Kind.MIXED) {
                        file.write(entry, ByteBuffer.wrap(bits.bytes()));
                    }
                    entries.putLong(entry);
                    if (!entries.hasRemaining()) {
                        flush(entries, entriesAt);
                    }
                });
        // Whole sectors; what follows in the last cluster means nothing.
        while (entries.position() % HeaderCluster.SECTOR != 0) {
            entries.putLong(0);
        }
        flush(entries, entriesAt);
    }

    private void flush(ByteBuffer entries, long[] at) throws IOException {
        entries.flip();
        int length = entries.remaining();
        file.write(at[0], entries);
        at[0] += length;
        entries.clear();
    }

    private Window oldTable() {
        return new Window(file, 4096, Long.MAX_VALUE);
    }

    private long oldAt(long index) {
        return oldTableOffset + index * Long.BYTES;
    }

    private TableEntry oldEntry(Window old, long index) throws IOException {
        long raw = old.view(oldAt(index), Long.BYTES).getLong();
        return TableEntry.parse(raw, geometry.clusterBits(), oldAt(index));
    }

    /// Hands out the clusters of some rows one by one.
    private static final class Clusters {

        private final Iterator<Run> runs;
        private final int clusterBits;
        private long next;
        private long end;

        Clusters(Iterator<Run> runs, int clusterBits) {
            this.runs = runs;
            this.clusterBits = clusterBits;
        }

        long next() {
            if (next == end) {
                Run run = runs.next();
                next = run.first();
                end = run.end();
            }
            return next++ << clusterBits;
        }
    }
}
