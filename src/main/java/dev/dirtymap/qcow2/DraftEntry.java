package dev.dirtymap.qcow2;

import org.jspecify.annotations.Nullable;

/// A bitmap that is new, or differs from what is stored.
final class DraftEntry {

    /// Where it stands in the directory; -1 if it is new.
    final int position;

    final int granularityBits;
    byte[] name;
    boolean enabled;

    /// What it has in the file; null if it is new.
    final @Nullable Bitmap stored;

    final Content.@Nullable Source own;

    /// What it shall have.
    Content content;

    DraftEntry(
            int position,
            int granularityBits,
            byte[] name,
            boolean enabled,
            @Nullable Bitmap stored,
            Content.@Nullable Source own,
            Content content) {
        this.position = position;
        this.granularityBits = granularityBits;
        this.name = name.clone();
        this.enabled = enabled;
        this.stored = stored;
        this.own = own;
        this.content = content;
    }

    /// Bytes of its directory entry.
    int length() {
        return (DirectoryEntry.SIZE + name.length + 7) & -8;
    }
}
