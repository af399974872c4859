package dev.dirtymap.images;

import dev.dirtymap.qcow2.BitmapDirectory.Summary;
import dev.dirtymap.qcow2.BitmapsState;
import dev.dirtymap.qcow2.Image;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// What lists are narrowed by, as far as the bytes of the file alone decide it. Whether a program holds it is no part.
public sealed interface Outline {

    /// No qcow2 image.
    record NoImage() implements Outline {}

    /// Claims to be a qcow2 image, and breaks the format.
    record Broken() implements Outline {}

    /// An image that can be read.
    ///
    /// @param bitmapsState what its bitmaps are together
    /// @param inUse whether a bitmap is marked so that it is inconsistent unless a program holds the image
    record Legible(BitmapsState bitmapsState, boolean inUse) implements Outline {}

    /// What an image is as a list sees it.
    ///
    /// @param image opened while no program held it; null if it is none
    static Outline of(@Nullable Image image) throws IOException {
        if (image == null) {
            return new NoImage();
        }
        Summary summary = image.bitmaps().summary();
        return new Legible(summary.state(), summary.hasInconsistent());
    }
}
