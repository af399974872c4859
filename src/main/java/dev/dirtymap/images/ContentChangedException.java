package dev.dirtymap.images;

import java.io.IOException;

/// The image changed between two steps of reading it, so what was read before and what would be read now do
/// not belong together.
public final class ContentChangedException extends IOException {

    private static final long serialVersionUID = 1L;

    ContentChangedException(Id image) {
        super("image '%s' changed while it was read".formatted(image.text()));
    }

    /// @param before how many bytes the file had
    /// @param now how many it has
    ContentChangedException(Id image, long before, long now) {
        super(
                "another program cut the file of image '%s' from %d bytes to %d in spite of its lock"
                        .formatted(image.text(), before, now));
    }
}
