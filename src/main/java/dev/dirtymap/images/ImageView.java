package dev.dirtymap.images;

import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.ImageFile;

/// An image as it stands at one moment, seen without a lock.
///
/// @param image what its file says
/// @param file its bytes
/// @param version which content of the file this is
/// @param settled whether every change after this view must show in the version
/// @param allocatedBytes bytes of the file that take space on disk
/// @param heldForWriting whether a program holds the image for writing: then this may be out of date
public record ImageView(
        Image image,
        ImageFile file,
        FileVersion version,
        boolean settled,
        long allocatedBytes,
        boolean heldForWriting) {}
