package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.References.Damage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Supplier;

/// Walks the snapshot table and what the snapshots refer to. Unlike [Snapshot#readAll] it goes on where it
/// can.
final class SnapshotTable {

    private static final int FIXED = 40;
    private static final int MAX_EXTRA = 1024;
    private static final long MAX_TABLE = 64L << 20;

    /// What version 3 demands: vm_state_size and virtual disk size.
    private static final int V3_EXTRA = 16;

    private final TableReader reader;
    private final Header header;
    private final References.Visitor visitor;

    SnapshotTable(TableReader reader, Header header, References.Visitor visitor) {
        this.reader = reader;
        this.header = header;
        this.visitor = visitor;
    }

    /// Visits what each snapshot refers to.
    ///
    /// @return the length of the snapshot table in bytes, without the padding of its last entry
    long walk(GuestTables guest) throws IOException {
        long start = header.snapshotsOffset();
        long end = start;
        boolean cut = false;
        for (int i = 0; i < header.snapshotCount(); i++) {
            long at = (end + 7) & -8L;
            ByteBuffer fixed = reader.read(at, FIXED);
            long l1Offset = fixed.getLong(0);
            long l1Size = Integer.toUnsignedLong(fixed.getInt(8));
            int names = (fixed.getShort(12) & 0xffff) + (fixed.getShort(14) & 0xffff);
            long extra = Integer.toUnsignedLong(fixed.getInt(36));
            if (extra > MAX_EXTRA) {
                broken(Violation.of(Rule.SNAPSHOT_EXTRA_DATA, at + 36, extra));
                break;
            }
            end = at + FIXED + extra + names;
            if (end - start > MAX_TABLE) {
                broken(Violation.of(Rule.SNAPSHOT_TABLE_SIZE, start, end - start));
                break;
            }
            if (end > reader.fileSize() && !cut) {
                cut = true;
                broken(
                        Violation.of(
                                Rule.SNAPSHOT_PAST_END,
                                at,
                                end,
                                "the file has %d bytes".formatted(reader.fileSize())));
            }
            if (extra < V3_EXTRA && header.version() >= 3) {
                broken(
                        at + 36,
                        Damage.FOLLOWED,
                        () -> sentence("extra_data_size", at + 36, extra, "at least 16"));
            }
            walkSnapshot(guest, at, l1Offset, l1Size);
        }
        return end - start;
    }

    private void walkSnapshot(GuestTables guest, long at, long l1Offset, long l1Size)
            throws IOException {
        if ((l1Offset & (header.clusterSize() - 1)) != 0) {
            broken(
                    at,
                    Damage.NOT_FOLLOWED,
                    () ->
                            sentence(
                                    "l1_table_offset",
                                    at,
                                    l1Offset,
                                    "a multiple of the cluster size"));
        } else if (l1Size > Header.MAX_L1_ENTRIES) {
            broken(
                    at + 8,
                    Damage.NOT_FOLLOWED,
                    () -> sentence("l1_size", at + 8, l1Size, "at most 4194304 entries (32 MiB)"));
        } else if (!Header.isReadable(l1Offset, l1Size * Long.BYTES)) {
            broken(
                    at,
                    Damage.NOT_FOLLOWED,
                    () -> sentence("l1_table_offset", at, l1Offset, "less than 2^63 - 2^30"));
        } else {
            guest.walkSnapshot(l1Offset, at, l1Size);
        }
    }

    private static String sentence(String field, long at, long value, String mustBe) {
        return "snapshot table: %s at file offset %d is %s; it must be %s"
                .formatted(field, at, Long.toUnsignedString(value), mustBe);
    }

    private void broken(Violation violation) throws IOException {
        broken(violation.fileOffset(), Damage.of(violation), violation::toString);
    }

    private void broken(long at, Damage damage, Supplier<String> message) throws IOException {
        visitor.broken(Structure.SNAPSHOT_TABLE, at, damage, message);
    }
}
