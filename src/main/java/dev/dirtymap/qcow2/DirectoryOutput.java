package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Writes a bitmap directory, entry after entry.
final class DirectoryOutput {

    private static final int PIECE = 64 << 10;

    private final ImageFile file;
    private final ByteBuffer piece = ByteBuffer.allocate(PIECE);
    private long at;

    DirectoryOutput(ImageFile file, long at) {
        this.file = file;
        this.at = at;
    }

    /// Writes the whole directory.
    ///
    /// @param tables of the bitmaps whose bits change
    void write(BitmapsDraft draft, Map<DraftEntry, TablePlan> tables) throws IOException {
        BitmapDirectory old = draft.image().bitmaps();
        if (old.isOrphaned()) {
            file.write(at, ByteBuffer.wrap(OrphanedDirectory.reordered(draft)));
            return;
        }
        for (int i = 0; i < old.count(); i++) {
            DraftEntry entry = draft.entries().edited(i);
            if (entry != null) {
                put(bytes(draft, entry, tables.get(entry)));
            } else if (!draft.entries().isRemoved(i)) {
                put(old.raw(i));
            }
        }
        for (DraftEntry entry : draft.entries().added()) {
            put(bytes(draft, entry, tables.get(entry)));
        }
        // Whole sectors; what follows in the last cluster means nothing.
        while (piece.position() % HeaderCluster.SECTOR != 0) {
            piece.put((byte) 0);
        }
        flush();
    }

    private static byte[] bytes(BitmapsDraft draft, DraftEntry entry, @Nullable TablePlan table) {
        Bitmap stored = entry.stored;
        long tableOffset;
        if (table != null) {
            tableOffset = table.tableOffset();
        } else if (stored != null) {
            tableOffset = stored.entry().tableOffset();
        } else {
            throw new IllegalStateException("a new bitmap has a new table");
        }
        ByteBuffer bytes = ByteBuffer.allocate(entry.length());
        new DirectoryEntry(
                        0,
                        tableOffset,
                        draft.geometry(entry).tableSize(),
                        entry.enabled ? DirectoryEntry.AUTO : 0,
                        1,
                        entry.granularityBits,
                        entry.name.length,
                        0)
                .write(bytes);
        return bytes.put(entry.name).array();
    }

    private void put(byte[] entry) throws IOException {
        for (int from = 0; from < entry.length; ) {
            if (!piece.hasRemaining()) {
                flush();
            }
            int count = Math.min(piece.remaining(), entry.length - from);
            piece.put(entry, from, count);
            from += count;
        }
    }

    private void flush() throws IOException {
        piece.flip();
        int length = piece.remaining();
        file.write(at, piece);
        at += length;
        piece.clear();
    }
}
