package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A qcow2 image as it stands in its file at one moment. Immutable but for what [BitmapDirectory] reads
/// when asked; valid only as long as nobody changes the file.
///
/// @param backingFile the name of the backing file as stored; null for none
public record Image(
        Header header,
        HeaderExtensions extensions,
        @Nullable String backingFile,
        BitmapDirectory bitmaps) {

    private static final int WINDOW = 4096;

    /// Reads header, extensions, backing file name, snapshot table and bitmap directory.
    ///
    /// @param heldForWriting whether a program holds the image for writing now
    /// @return empty if the file is no qcow2 image
    /// @throws FormatException if the image as a whole breaks the format; broken bitmaps do not
    /// @throws IOException if the file cannot be read, or was cut short meanwhile
    public static Optional<Image> open(ImageFile file, boolean heldForWriting) throws IOException {
        Window window = new Window(file, WINDOW);
        Optional<Header> read = Header.read(window);
        if (read.isEmpty()) {
            return Optional.empty();
        }
        Header header = read.get();
        HeaderExtensions extensions = HeaderExtensions.read(window, header);
        Snapshot.readAll(window, header, _ -> {});
        return Optional.of(
                new Image(
                        header,
                        extensions,
                        backingFile(window, header),
                        BitmapDirectory.read(file, header, extensions, heldForWriting)));
    }

    private static @Nullable String backingFile(Window window, Header header) throws IOException {
        if (header.backingFileOffset() == 0) {
            return null;
        }
        if (!window.holds(header.backingFileOffset(), header.backingFileSize())) {
            throw Violation.of(Rule.HEADER_TRUNCATED, header.backingFileOffset(), window.fileSize())
                    .asException();
        }
        byte[] name = window.copy(header.backingFileOffset(), header.backingFileSize());
        return new String(name, StandardCharsets.UTF_8);
    }

    /// What the bitmaps are relative to, as management said.
    public ReferencePoints referencePoints() {
        return ReferencePoints.of(extensions);
    }

    /// The format of the backing file as stored; null if the image does not say.
    public @Nullable String backingFormat() {
        return extensions
                .last(HeaderExtension.BackingFormat.class)
                .map(HeaderExtension.BackingFormat::format)
                .orElse(null);
    }

    /// The name of the external data file as stored; null if guest data is in this file or no name is
    /// stored.
    public @Nullable String dataFile() {
        return extensions
                .last(HeaderExtension.DataFileName.class)
                .map(HeaderExtension.DataFileName::name)
                .orElse(null);
    }
}
