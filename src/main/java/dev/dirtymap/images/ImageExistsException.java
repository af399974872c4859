package dev.dirtymap.images;

/// A file of the name that a new image should get is there already.
public final class ImageExistsException extends ImageException {

    private static final long serialVersionUID = 1L;

    ImageExistsException(Id image, Exception cause) {
        super("there is a file '%s' already".formatted(image.text()), cause);
    }
}
