package dev.dirtymap.images;

/// The image has no bitmap of this name.
public final class BitmapNotFoundException extends ImageException {

    private static final long serialVersionUID = 1L;

    BitmapNotFoundException(Id image, Id bitmap) {
        super("image '%s' has no bitmap '%s'".formatted(image.text(), bitmap.text()));
    }
}
