package dev.dirtymap.images;

/// A file of the name that a new image should get is there already.
public final class ImageExistsException extends ImageException {

    private static final long serialVersionUID = 1L;

    ImageExistsException(Id image, Exception cause) {
        super(
                "image '%s' cannot be made: there is a file in its place already, or in that of one of its folders (%s)"
                        .formatted(image.text(), cause.getMessage()),
                cause);
    }
}
