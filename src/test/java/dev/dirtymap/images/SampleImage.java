package dev.dirtymap.images;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/// The sample image of the default folder, wherever a test wants it.
public final class SampleImage {

    private SampleImage() {}

    /// Writes the image as the service does at its first start.
    public static Path write(Path file) {
        try {
            SampleFolder.writeSample(file);
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
