package dev.dirtymap.images;

import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapState;

/// The content of a bitmap was asked for that has none to trust.
public final class BitmapUnusableException extends ImageException {

    private static final long serialVersionUID = 1L;

    private final BitmapState state;

    BitmapUnusableException(Id image, Bitmap bitmap) {
        super(
                "bitmap '%s' of image '%s' is %s: %s"
                        .formatted(
                                Id.of(bitmap.name()).text(),
                                image.text(),
                                bitmap.state(),
                                bitmap.reason()));
        this.state = bitmap.state();
    }

    /// Why: anything but [BitmapState#CONSISTENT].
    public BitmapState state() {
        return state;
    }
}
