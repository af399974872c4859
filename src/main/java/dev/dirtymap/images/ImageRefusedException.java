package dev.dirtymap.images;

import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.ChangeRefusedException;
import org.jspecify.annotations.Nullable;

/// A change is refused for what the image, or one of its bitmaps, is. Nothing was written.
public final class ImageRefusedException extends ImageException {

    private static final long serialVersionUID = 1L;

    private final ChangeRefusedException.Kind kind;
    private final @Nullable BitmapState state;

    /// Says of which image something was refused.
    public ImageRefusedException(Id image, ChangeRefusedException refused) {
        super("image '%s': %s".formatted(image.text(), refused.getMessage()), refused);
        this.kind = refused.kind();
        this.state = refused.state();
    }

    public ChangeRefusedException.Kind kind() {
        return kind;
    }

    /// The state of the bitmap that stands in the way; null where none does.
    public @Nullable BitmapState state() {
        return state;
    }
}
