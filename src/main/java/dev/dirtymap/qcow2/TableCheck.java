package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Bitmap.TableFacts;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// One pass over a bitmap table, before anything is read through it.
final class TableCheck {

    private TableCheck() {}

    /// Reads the whole table in pieces.
    ///
    /// Bytes past the end of the file are corruption here, though QEMU reads them as zeros: a file that was
    /// cut short must not turn into a clean bitmap. Only bytes that carry bits are demanded, since the file
    /// may end inside its last cluster.
    ///
    /// @param entry one whose `bitmap_table_size` is exactly what `geometry` needs
    /// @param violations receives what is broken
    /// @return null if something is
    static @Nullable TableFacts run(
            Window window, DirectoryEntry entry, Geometry geometry, List<Violation> violations)
            throws IOException {
        long tableBytes = entry.tableSize() * Long.BYTES;
        long tableOffset = entry.tableOffset();
        if (!window.holds(tableOffset, tableBytes)) {
            violations.add(
                    Violation.of(
                            Rule.TABLE_PAST_END,
                            entry.fileOffset(),
                            tableOffset + tableBytes,
                            "the file has %d bytes".formatted(window.fileSize())));
            return null;
        }
        CRC32C checksum = new CRC32C();
        ByteBuffer fixed = ByteBuffer.allocate(DirectoryEntry.SIZE);
        entry.write(fixed);
        checksum.update(fixed.flip());
        int clusterSize = 1 << geometry.clusterBits();
        long carrying = geometry.bytes();
        long stored = 0;
        Violation pastEnd = null;
        for (long at = 0; at < tableBytes; ) {
            int piece = (int) Math.min(tableBytes - at, window.capacity() & -Long.BYTES);
            ByteBuffer entries = window.view(tableOffset + at, piece);
            checksum.update(entries.duplicate());
            for (int i = 0; i < piece; i += Long.BYTES) {
                long fileOffset = tableOffset + at + i;
                TableEntry parsed;
                try {
                    parsed =
                            TableEntry.parse(
                                    entries.getLong(i), geometry.clusterBits(), fileOffset);
                } catch (FormatException e) {
                    violations.add(e.violation());
                    return null;
                }
                if (parsed instanceof TableEntry.Data(long hostOffset)) {
                    stored += clusterSize;
                    long used = Math.min(clusterSize, carrying);
                    if (pastEnd == null && !window.holds(hostOffset, used)) {
                        pastEnd = pastEnd(fileOffset, hostOffset + used, window);
                    }
                }
                carrying -= clusterSize;
            }
            at += piece;
        }
        if (pastEnd != null) {
            violations.add(pastEnd);
            return null;
        }
        return new TableFacts(stored, checksum.getValue());
    }

    private static Violation pastEnd(long fileOffset, long end, Window window) {
        return Violation.of(
                Rule.DATA_PAST_END,
                fileOffset,
                end,
                "the file has %d bytes".formatted(window.fileSize()));
    }
}
