package dev.dirtymap.qcow2;

import org.jspecify.annotations.Nullable;

/// A change of an image is refused for what the image, or one of its bitmaps, is. Nothing was written.
public final class ChangeRefusedException extends Exception {

    private static final long serialVersionUID = 1L;

    /// Why.
    public enum Kind {
        /// Version 2 images cannot hold bitmaps.
        IMAGE_VERSION,
        /// The dirty bit: refcounts cannot be trusted.
        IMAGE_DIRTY,
        /// The corrupt bit, or refcounts that contradict what is in use.
        IMAGE_CORRUPT,
        /// The bitmaps extension without its autoclear bit.
        ORPHANED,
        /// The extension or the directory is broken, so that nobody can tell which bitmaps there are.
        DIRECTORY_BROKEN,
        BITMAP_EXISTS,
        BITMAP_NOT_FOUND,
        /// The bitmap has no content to trust: [#state] says why.
        BITMAP_UNUSABLE,
        /// Number or size of bitmaps, size of the directory, of a bitmap, of the refcount table.
        LIMIT_EXCEEDED,
        /// Bitmaps of disks of different sizes.
        SIZE_MISMATCH,
        /// The first cluster has no room.
        HEADER_FULL,
        /// A range reaches beyond the disk.
        OUT_OF_RANGE
    }

    private final Kind kind;
    private final @Nullable BitmapState state;

    ChangeRefusedException(Kind kind, String message) {
        super(message);
        this.kind = kind;
        this.state = null;
    }

    /// A bitmap without content to trust.
    ChangeRefusedException(Bitmap bitmap) {
        super(
                "bitmap '%s' is %s: %s"
                        .formatted(Names.text(bitmap.name()), bitmap.state(), bitmap.reason()));
        this.kind = Kind.BITMAP_UNUSABLE;
        this.state = bitmap.state();
    }

    public Kind kind() {
        return kind;
    }

    /// The state of the bitmap that stands in the way; null where none does.
    public @Nullable BitmapState state() {
        return state;
    }
}
