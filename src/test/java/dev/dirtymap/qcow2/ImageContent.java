package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.BitmapDirectory.Summary;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Everything that can be read of an image, to be compared with what another way of reading gave.
record ImageContent(Header header, Summary summary, List<Content> bitmaps) {

    /// So that a few flipped bits cannot make a test run for an hour.
    private static final int MOST_EXTENTS = 100_000;

    /// One bitmap.
    ///
    /// @param extents of the whole disk, clean ones too; empty like `totals` if the bitmap cannot be trusted
    record Content(
            String name,
            BitmapState state,
            @Nullable String reason,
            long checksum,
            List<Extent> extents,
            Totals totals) {}

    /// Something that may fail, and may then be tried again.
    @FunctionalInterface
    interface Step<T extends @Nullable Object> {
        T take() throws IOException;
    }

    /// How a step is taken: once, or again when it fails.
    interface Stepping {
        <T extends @Nullable Object> T take(Step<T> step) throws IOException;
    }

    /// Reads everything once.
    ///
    /// @throws FormatException if the image is unreadable
    static ImageContent read(ImageFile file) throws IOException {
        return read(
                file,
                new Stepping() {
                    @Override
                    public <T extends @Nullable Object> T take(Step<T> step) throws IOException {
                        return step.take();
                    }
                });
    }

    static ImageContent read(ImageFile file, Stepping stepping) throws IOException {
        Image image = stepping.take(() -> Image.open(file, false)).orElseThrow();
        BitmapDirectory directory = image.bitmaps();
        Summary summary = stepping.take(directory::summary);
        List<Content> bitmaps = new ArrayList<>();
        for (int i = 0; i < directory.count(); i++) {
            int position = i;
            Bitmap bitmap = stepping.take(() -> directory.get(position));
            stepping.take(() -> directory.find(bitmap.name()));
            bitmaps.add(content(file, bitmap, stepping));
        }
        return new ImageContent(image.header(), summary, bitmaps);
    }

    private static Content content(ImageFile file, Bitmap bitmap, Stepping stepping)
            throws IOException {
        List<Extent> extents = new ArrayList<>();
        var totals = new Totals(0, 0);
        if (bitmap.state() == BitmapState.CONSISTENT) {
            Geometry geometry = bitmap.geometry();
            BitmapReader reader = bitmap.reader(file);
            var scanner =
                    new ExtentScanner(
                            Extents.patient(reader),
                            geometry,
                            Selection.ALL,
                            0,
                            geometry.virtualSize());
            Extent next = stepping.take(scanner::next);
            while (next != null && extents.size() < MOST_EXTENTS) {
                extents.add(next);
                next = stepping.take(scanner::next);
            }
            totals = stepping.take(() -> Totals.of(Extents.patient(reader), geometry));
        }
        return new Content(
                Names.text(bitmap.name()),
                bitmap.state(),
                bitmap.reason(),
                bitmap.checksum(),
                extents,
                totals);
    }
}
