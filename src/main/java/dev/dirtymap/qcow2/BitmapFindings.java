package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Finding.Repair;
import java.io.IOException;
import java.nio.ByteBuffer;

/// What is wrong with the bitmaps beyond the use of clusters: their extension, directory, entries, and bits
/// that no byte of the disk has.
final class BitmapFindings {

    private static final int PIECE = 64 << 10;

    private final ImageFile file;
    private final Header header;
    private final HeaderExtensions extensions;
    private final Findings findings;

    BitmapFindings(ImageFile file, Header header, HeaderExtensions extensions, Findings findings) {
        this.file = file;
        this.header = header;
        this.extensions = extensions;
        this.findings = findings;
    }

    /// @param pastEndKnown whether it was found already that a table or data lies past the end of the file
    void add(boolean pastEndKnown) throws IOException {
        BitmapDirectory directory = BitmapDirectory.read(file, header, extensions, false);
        Violation structural = directory.structural();
        if (!header.has(Feature.BITMAPS)) {
            // Only this matters to QEMU where the bitmaps are void anyway.
            if (structural != null && structural.rule() == Rule.BITMAPS_EXTENSION_LENGTH) {
                findings.add(structural, Repair.BITMAPS);
            }
            return;
        }
        if (structural != null) {
            findings.add(structural, Repair.BITMAPS);
        }
        for (int i = 0; i < directory.count(); i++) {
            BitmapDirectory.Judged judged = directory.judge(i);
            String about = "bitmap '%s': ".formatted(Names.text(judged.bitmap().name()));
            for (Violation violation : judged.violations()) {
                if (!isKnown(violation.rule(), pastEndKnown)) {
                    findings.add(violation, Repair.BITMAPS, about + violation);
                }
            }
            if (judged.bitmap().state() == BitmapState.CONSISTENT) {
                checkTail(judged, about);
            }
        }
    }

    /// Whether the walk over all references has found it, or it is nothing wrong with the image.
    private static boolean isKnown(Rule rule, boolean pastEndKnown) {
        return switch (rule) {
            case TABLE_ENTRY_RESERVED, TABLE_ENTRY_ALL_ONES, TABLE_ENTRY_OFFSET, TABLES_TOTAL ->
                    true;
            case TABLE_PAST_END, DATA_PAST_END -> pastEndKnown;
            default -> false;
        };
    }

    /// Looks for bits that are set after the last one, up to the end of the last cluster.
    private void checkTail(BitmapDirectory.Judged bitmap, String about) throws IOException {
        Geometry geometry = bitmap.bitmap().geometry();
        long last = geometry.tableSize() - 1;
        TableReader reader = new TableReader(file, PIECE);
        long raw =
                reader.read(bitmap.entry().tableOffset() + last * Long.BYTES, Long.BYTES)
                        .getLong(0);
        long cluster = raw & TableEntry.OFFSET;
        if (cluster == 0) {
            return;
        }
        long bits = geometry.bits() - last * geometry.bitsPerCluster();
        long at = cluster + bits / 8;
        int used = (1 << bits % 8) - 1;
        long end = Math.min(cluster + header.clusterSize(), reader.fileSize());
        for (; at < end; at += PIECE) {
            int count = (int) Math.min(PIECE, end - at);
            ByteBuffer piece = reader.read(at, count);
            for (int i = 0; i < count; i++) {
                // Nearly all of it is zero, and there may be 2 MiB of it.
                while (used == 0 && count - i > Long.BYTES && piece.getLong(i) == 0) {
                    i += Long.BYTES;
                }
                int unused = piece.get(i) & 0xff & ~used;
                used = 0;
                if (unused != 0) {
                    long offset = at + i;
                    findings.add(
                            Structure.BITMAP_DATA.text(),
                            offset,
                            false,
                            Repair.NONE,
                            () ->
                                    about
                                            + "bitmap data: bits after the last one (%d) must be 0; those of the byte at file offset %d are 0x%02x"
                                                    .formatted(
                                                            geometry.bits() - 1, offset, unused));
                    return;
                }
            }
        }
    }
}
