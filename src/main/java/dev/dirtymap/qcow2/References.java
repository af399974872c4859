package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Supplier;

/// One walk over every reference to clusters of the file that the structures of an image make. Where an
/// external data file holds the guest's clusters, those are no references: they are not in this file.
///
/// Nothing of the file is trusted, and memory does not grow with the image. What a wrong field still says is
/// followed as QEMU's check follows it (`calculate_refcounts`), in its order: refcount blocks come last.
final class References {

    private static final long REFCOUNT_BLOCK_OFFSET = ~0x1ffL;
    private static final int PIECE = 64 << 10;

    /// What one walk may read of tables: half a minute at worst. All of them of a disk of 64 TiB take 8 GiB.
    private static final long MAX_BUDGET = 16L << 30;

    /// Beyond what sound tables can have: QEMU counts some tables of damaged images more than once.
    private static final long SPARE_BUDGET = 512L << 20;

    private final ImageFile file;
    private final Header header;
    private final Visitor visitor;
    private final TableReader.Budget budget;
    private final TableReader tables;

    private References(ImageFile file, Header header, Visitor visitor) throws IOException {
        this.file = file;
        this.header = header;
        this.visitor = visitor;
        this.budget = new TableReader.Budget(budgetBytes(file.size(), header.snapshotCount()));
        this.tables = new TableReader(file, PIECE, budget);
    }

    /// The disk as it is and each snapshot may name all of the file once.
    private static long budgetBytes(long fileSize, long snapshotCount) {
        long most = MAX_BUDGET - SPARE_BUDGET;
        return fileSize > most / (1 + snapshotCount)
                ? MAX_BUDGET
                : fileSize * (1 + snapshotCount) + SPARE_BUDGET;
    }

    /// Who wants to know.
    interface Visitor {

        /// Something refers to bytes of the file, whose clusters are thereby in use.
        ///
        /// @param structure what lies there
        /// @param from the file offset of the field that refers; 0 for the header itself
        /// @param entry the whole table entry, of which the offset is only a part; 0 where no table refers
        /// @param hostOffset where the bytes start: not always that of a cluster, perhaps negative or past
        ///     the end of the file
        /// @param length in bytes; perhaps negative
        void refers(Structure structure, long from, long entry, long hostOffset, long length)
                throws IOException;

        /// Whether a reference of an L2 entry to one whole cluster of guest data, with nothing wrong about
        /// it, is asked for: those are by far the most.
        default boolean asksFor(long hostOffset) {
            return true;
        }

        /// An L2 entry refers to a guest cluster in the external data file.
        default void refersOutside(Structure structure, long from, long entry) {}

        /// Something is wrong with a structure.
        ///
        /// @param structure whose field is wrong
        /// @param fileOffset of the field
        /// @param message a sentence with the value and what it must be
        void broken(Structure structure, long fileOffset, Damage damage, Supplier<String> message)
                throws IOException;
    }

    /// What something wrong means for the walk and for QEMU.
    enum Damage {
        /// Everything it refers to is visited all the same. QEMU's check counts one corruption.
        FOLLOWED,
        /// What it refers to is not visited. QEMU's check counts one corruption.
        NOT_FOLLOWED,
        /// What it refers to is not visited. QEMU does not notice.
        UNNOTICED,
        /// What it refers to is not visited. QEMU does not open such an image.
        REFUSED,
        /// There are more tables than can be read in any reasonable time: the walk ends here, and what else
        /// is in use was not visited. QEMU's check would go on.
        UNFINISHED;

        static Damage of(Violation violation) {
            return violation.rule().inQemu() == Rule.InQemu.REFUSED ? REFUSED : UNNOTICED;
        }
    }

    /// Visits every reference, those of the bitmaps only if autoclear bit 0 says that there are any.
    static void walk(ImageFile file, Header header, HeaderExtensions extensions, Visitor visitor)
            throws IOException {
        long fileSize = file.size();
        try {
            new References(file, header, visitor).walk(extensions);
        } catch (TableReader.SpentException tooMany) {
            visitor.broken(
                    Structure.HEADER,
                    0,
                    Damage.UNFINISHED,
                    () ->
                            "the L1 tables, snapshots and bitmaps name more tables than %d snapshots in %d bytes of file can have, or more than 16 GiB; not all were visited"
                                    .formatted(header.snapshotCount(), fileSize));
        }
    }

    private void walk(HeaderExtensions extensions) throws IOException {
        visitor.refers(Structure.HEADER, 0, 0, 0, header.clusterSize());
        GuestTables guest = new GuestTables(file, header, visitor, budget);
        guest.walkActive();
        if (header.has(Feature.DATA_FILE) && header.snapshotCount() != 0) {
            visitor.broken(
                    Structure.HEADER,
                    60,
                    Damage.FOLLOWED,
                    () ->
                            "header: nb_snapshots at file offset 60 is %d; it must be 0 with an external data file"
                                    .formatted(header.snapshotCount()));
        }
        long length = new SnapshotTable(tables, header, visitor).walk(guest);
        visitor.refers(Structure.SNAPSHOT_TABLE, 64, 0, header.snapshotsOffset(), length);
        visitor.refers(
                Structure.REFCOUNT_TABLE,
                48,
                0,
                header.refcountTableOffset(),
                refcountTableLength());
        HeaderExtension.LuksHeader luks =
                extensions.last(HeaderExtension.LuksHeader.class).orElse(null);
        if (luks != null) {
            visitor.refers(
                    Structure.LUKS_HEADER, luks.fileOffset(), 0, luks.offset(), luks.length());
        }
        HeaderExtension.Bitmaps bitmaps =
                extensions.last(HeaderExtension.Bitmaps.class).orElse(null);
        if (bitmaps != null && header.has(Feature.BITMAPS)) {
            walkBitmaps(bitmaps);
        }
        walkRefcountBlocks();
    }

    private long refcountTableLength() {
        return (long) header.refcountTableClusters() << header.clusterBits();
    }

    private void walkBitmaps(HeaderExtension.Bitmaps payload) throws IOException {
        Violation violation = BitmapsExtension.check(payload, header.clusterSize());
        if (violation != null) {
            broken(Structure.BITMAP_DIRECTORY, violation);
            return;
        }
        BitmapsExtension extension = BitmapsExtension.parse(payload);
        visitor.refers(
                Structure.BITMAP_DIRECTORY,
                payload.fileOffset() + 16,
                0,
                extension.directoryOffset(),
                extension.directorySize());
        Window window = new Window(file, PIECE);
        DirectoryIndex index = DirectoryIndex.scan(window, extension, header);
        if (index.violation() != null) {
            broken(Structure.BITMAP_DIRECTORY, index.violation());
        }
        for (long start : index.starts()) {
            DirectoryEntry entry =
                    DirectoryEntry.parse(start, window.view(start, DirectoryEntry.SIZE));
            if (entry.tableOffset() == 0
                    || (entry.tableOffset() & (header.clusterSize() - 1)) != 0
                    || !Header.isReadable(entry.tableOffset(), entry.tableSize() * Long.BYTES)) {
                broken(
                        Structure.BITMAP_DIRECTORY,
                        Violation.of(Rule.TABLE_OFFSET, start, entry.tableOffset()));
            } else if (!entry.tableSizeIsLegal(header.clusterBits())) {
                broken(
                        Structure.BITMAP_DIRECTORY,
                        Violation.of(Rule.TABLE_SIZE, start + 8, entry.tableSize()));
            } else {
                walkBitmapTable(entry);
            }
        }
    }

    private void walkBitmapTable(DirectoryEntry bitmap) throws IOException {
        long table = bitmap.tableOffset();
        long length = bitmap.tableSize() * Long.BYTES;
        visitor.refers(Structure.BITMAP_TABLE, bitmap.fileOffset(), 0, table, length);
        long end = Math.min(table + length, tables.fileSize());
        for (long at = table; at < end; at += PIECE) {
            int count = (int) Math.min(PIECE, table + length - at);
            ByteBuffer piece = tables.read(at, count);
            for (int i = 0; i < count; i += Long.BYTES) {
                long raw = piece.getLong(i);
                if ((raw & ~TableEntry.ALL_ONES) != 0) {
                    walkBitmapTableEntry(bitmap, raw, at + i);
                }
            }
        }
    }

    private void walkBitmapTableEntry(DirectoryEntry bitmap, long raw, long from)
            throws IOException {
        try {
            if (TableEntry.parse(raw, header.clusterBits(), from)
                    instanceof TableEntry.Data(long hostOffset)) {
                visitor.refers(Structure.BITMAP_DATA, from, raw, hostOffset, header.clusterSize());
            }
        } catch (FormatException e) {
            // QEMU looks at the tables of bitmaps in use only when it checks.
            visitor.broken(
                    Structure.BITMAP_TABLE,
                    from,
                    bitmap.inUse() ? Damage.NOT_FOLLOWED : Damage.REFUSED,
                    e.violation()::toString);
        }
    }

    private void walkRefcountBlocks() throws IOException {
        long table = header.refcountTableOffset();
        long length = refcountTableLength();
        long end = Math.min(table + length, tables.fileSize());
        for (long at = table; at < end; at += PIECE) {
            int count = (int) Math.min(PIECE, table + length - at);
            ByteBuffer piece = tables.read(at, count);
            for (int i = 0; i < count; i += Long.BYTES) {
                long entry = piece.getLong(i);
                if (entry != 0) {
                    walkRefcountTableEntry(entry, at + i);
                }
            }
        }
    }

    private void walkRefcountTableEntry(long entry, long from) throws IOException {
        long offset = entry & REFCOUNT_BLOCK_OFFSET;
        if (entry != offset) {
            visitor.broken(
                    Structure.REFCOUNT_TABLE,
                    from,
                    Damage.NOT_FOLLOWED,
                    () -> sentence("reserved bits (0 to 8)", from, entry, "0"));
        } else if ((offset & (header.clusterSize() - 1)) != 0) {
            visitor.broken(
                    Structure.REFCOUNT_TABLE,
                    from,
                    Damage.NOT_FOLLOWED,
                    () -> sentence("offset", from, entry, "a multiple of the cluster size"));
        } else {
            visitor.refers(Structure.REFCOUNT_BLOCK, from, entry, offset, header.clusterSize());
        }
    }

    private static String sentence(String field, long from, long entry, String mustBe) {
        return "refcount table: %s of the entry at file offset %d must be %s; the entry is 0x%x"
                .formatted(field, from, mustBe, entry);
    }

    private void broken(Structure structure, Violation violation) throws IOException {
        visitor.broken(
                structure, violation.fileOffset(), Damage.of(violation), violation::toString);
    }
}
