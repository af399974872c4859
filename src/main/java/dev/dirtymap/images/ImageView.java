package dev.dirtymap.images;

import dev.dirtymap.posix.FileStat;
import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.ImageFile;

/// An image as it stands at one moment, seen without a lock.
///
/// @param image what its file says
/// @param file its bytes
/// @param version which content of the file this is
/// @param allocatedBytes bytes of the file that take space on disk
/// @param heldForWriting whether a program holds the image for writing: then this may be out of date
public record ImageView(
        Image image,
        ImageFile file,
        FileVersion version,
        long allocatedBytes,
        boolean heldForWriting) {

    static ImageView of(Image image, ImageFile file, FileStat stat, boolean heldForWriting) {
        return new ImageView(
                image, file, FileVersion.of(stat), stat.allocatedBytes(), heldForWriting);
    }
}
