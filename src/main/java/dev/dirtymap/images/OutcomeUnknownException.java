package dev.dirtymap.images;

import java.io.IOException;

/// The disk failed in the very write that makes a change valid. The image has the old state or the new one,
/// whole in either case, and only reading it again tells which.
public final class OutcomeUnknownException extends IOException {

    private static final long serialVersionUID = 1L;

    OutcomeUnknownException(Id image, IOException cause) {
        super(
                "image '%s': the disk failed while the change was made valid (%s); the image is whole, and has"
                                .formatted(image.text(), cause.getMessage())
                        + " either its old state or the new one",
                cause);
    }
}
