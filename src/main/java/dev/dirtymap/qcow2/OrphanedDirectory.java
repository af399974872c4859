package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/// The directory of bitmaps that are void, with the entries that go behind those that stay.
final class OrphanedDirectory {

    private static final long MAX = 8 << 20;

    private OrphanedDirectory() {}

    /// As many bytes as the directory has now.
    static byte[] reordered(BitmapsDraft draft) throws IOException {
        BitmapDirectory old = draft.image().bitmaps();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (boolean removed : new boolean[] {false, true}) {
            for (int i = 0; i < old.count(); i++) {
                if (draft.entries().isRemoved(i) == removed) {
                    bytes.writeBytes(old.raw(i));
                }
            }
        }
        return bytes.toByteArray();
    }

    /// Makes sure that it can be held.
    static void requireSmall(long size) throws ChangeRefusedException {
        if (size > MAX) {
            throw new ChangeRefusedException(
                    Kind.LIMIT_EXCEEDED,
                    ("the directory of orphaned bitmaps has %d bytes, and single ones are dropped from up to"
                                    + " %d only; all of them can be dropped")
                            .formatted(size, MAX));
        }
    }
}
