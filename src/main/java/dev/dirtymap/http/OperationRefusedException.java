package dev.dirtymap.http;

import dev.dirtymap.images.ImageException;
import org.jspecify.annotations.Nullable;

/// One operation of a transaction is refused, and with it all of them.
final class OperationRefusedException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final ImageException reason;
    private final int index;
    private final @Nullable String image;

    /// @param index of the operation
    /// @param image whose operation it is; null where there is only one
    OperationRefusedException(ImageException reason, int index, @Nullable String image) {
        super(reason.getMessage(), reason);
        this.reason = reason;
        this.index = index;
        this.image = image;
    }

    ImageException reason() {
        return reason;
    }

    int index() {
        return index;
    }

    @Nullable String image() {
        return image;
    }
}
