package dev.dirtymap.http;

import dev.dirtymap.images.ContentChangedException;
import dev.dirtymap.images.ImageException;
import java.io.IOException;

/// Starts an answer again when the image changed while it was made. Nothing has been sent then, so the
/// caller need not know.
final class Retry {

    private static final int TRIES = 3;

    private Retry() {}

    /// Makes an answer from one content of the image.
    @FunctionalInterface
    interface Answer<T> {
        T make() throws ImageException, IOException;
    }

    /// Makes an answer.
    ///
    /// @throws ContentChangedException if the image changed during each of three tries
    static <T> T onChange(Answer<T> answer) throws ImageException, IOException {
        for (int tries = 1; ; tries++) {
            try {
                return answer.make();
            } catch (ContentChangedException e) {
                if (tries == TRIES) {
                    throw e;
                }
            }
        }
    }
}
