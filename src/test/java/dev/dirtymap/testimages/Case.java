package dev.dirtymap.testimages;

import java.nio.file.Path;
import java.util.List;

/// An image of the corpus with all that is known of it.
///
/// The image is shared by all tests of the JVM and must not be changed: a test that writes takes a copy.
///
/// @param name unique, as in `refcount-bits-1`
/// @param image alone in its folder with the files that it needs (backing files, data file)
/// @param bitmaps in directory order, also those that QEMU does not trust
/// @param note what is special about it
public record Case(String name, Path image, List<BitmapSpec> bitmaps, String note) {

    public Case {
        bitmaps = List.copyOf(bitmaps);
    }

    /// The folder that holds the image.
    public Path folder() {
        Path parent = image.getParent();
        if (parent == null) {
            throw new IllegalStateException("an image must be in a folder but was " + image);
        }
        return parent;
    }

    /// The image's name in its folder.
    public String file() {
        return image.getFileName().toString();
    }

    /// The bitmaps whose content QEMU shows.
    public List<BitmapSpec> consistentBitmaps() {
        return bitmaps.stream()
                .filter(bitmap -> bitmap.state() == BitmapSpec.State.CONSISTENT)
                .toList();
    }

    /// The dirty ranges of [#consistentBitmaps], in their order, as QEMU tells them.
    public List<List<Range>> dirtyRanges() {
        return NbdMap.dirty(image, consistentBitmaps().stream().map(BitmapSpec::name).toList());
    }

    /// Copies the image and the files that it needs.
    ///
    /// @param target a folder that exists
    public Case copyTo(Path target) {
        // Keeps holes, which the JDK's copying does not.
        Programs.run(
                folder(), "cp", "-r", "--sparse=always", "--reflink=auto", ".", target.toString());
        return new Case(name, target.resolve(image.getFileName()), bitmaps, note);
    }

    @Override
    public String toString() {
        return name;
    }
}
