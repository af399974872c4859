package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Consumer;

/// One entry of the snapshot table (format text, "Snapshots"). Snapshots never refer to bitmap clusters,
/// and bitmaps are not part of a snapshot.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | l1_table_offset |
/// | 8 | 4 | l1_size, in entries |
/// | 12 | 2 | id_str_size |
/// | 14 | 2 | name_size |
/// | 16 | 20 | date and clock |
/// | 32 | 4 | vm_state_size |
/// | 36 | 4 | extra_data_size |
/// | 40 | | extra data (first 8 bytes: vm_state_size; next 8: virtual disk size), id, name, padding to 8 |
///
/// @param fileOffset where the entry starts
/// @param length of the entry in bytes, padding included
public record Snapshot(long fileOffset, int length, long l1TableOffset, long l1Size) {

    private static final int FIXED = 40;
    private static final int MAX_EXTRA = 1024;
    private static final long MAX_TABLE = 64L << 20;

    /// Hands over each entry in order without keeping any: a table may hold 65536 of them.
    ///
    /// @throws FormatException naming the first rule that is broken (`qcow2_do_read_snapshots`)
    static void readAll(Window window, Header header, Consumer<Snapshot> consumer)
            throws IOException {
        long at = header.snapshotsOffset();
        for (int i = 0; i < header.snapshotCount(); i++) {
            requireInFile(window, at, FIXED);
            ByteBuffer fixed = window.view(at, FIXED);
            long extra = Integer.toUnsignedLong(fixed.getInt(36));
            if (extra > MAX_EXTRA) {
                throw Violation.of(Rule.SNAPSHOT_EXTRA_DATA, at + 36, extra).asException();
            }
            int names = (fixed.getShort(12) & 0xffff) + (fixed.getShort(14) & 0xffff);
            int length = (int) (FIXED + extra + names + 7) & -8;
            requireInFile(window, at, (int) (FIXED + extra + names));
            consumer.accept(
                    new Snapshot(
                            at, length, fixed.getLong(0), Integer.toUnsignedLong(fixed.getInt(8))));
            at += length;
            if (at - header.snapshotsOffset() > MAX_TABLE) {
                throw Violation.of(
                                Rule.SNAPSHOT_TABLE_SIZE,
                                header.snapshotsOffset(),
                                at - header.snapshotsOffset())
                        .asException();
            }
        }
    }

    private static void requireInFile(Window window, long at, int length) throws FormatException {
        if (!window.holds(at, length)) {
            throw Violation.of(
                            Rule.SNAPSHOT_PAST_END,
                            at,
                            at + length,
                            "the file has %d bytes".formatted(window.fileSize()))
                    .asException();
        }
    }
}
