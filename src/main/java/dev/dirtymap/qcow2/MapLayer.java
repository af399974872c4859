package dev.dirtymap.qcow2;

/// One file of a backing chain, for [MapReader].
public sealed interface MapLayer {

    /// A qcow2 image.
    ///
    /// @param file the image itself
    /// @param dataFile where guest data is: the external data file, or `file` again
    record Qcow2(Image image, ImageFile file, ImageFile dataFile) implements MapLayer {

        /// An image with its data in it.
        public Qcow2(Image image, ImageFile file) {
            this(image, file, file);
        }
    }

    /// A file that is the disk, byte for byte.
    record Raw(ImageFile file) implements MapLayer {}
}
