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

    /// A bitmap that may or may not be there, since the directory cannot be read to its end.
    BitmapUnusableException(Id image, Id bitmap, String broken) {
        super(
                "bitmap '%s' of image '%s' cannot be looked up: %s"
                        .formatted(bitmap.text(), image.text(), broken));
        this.state = BitmapState.CORRUPT;
    }

    /// Why: anything but [BitmapState#CONSISTENT].
    public BitmapState state() {
        return state;
    }
}
