package dev.dirtymap.images;

/// The service may read an image but not write to it.
public final class ImageReadOnlyException extends ImageException {

    private static final long serialVersionUID = 1L;

    ImageReadOnlyException(Id image, Exception cause) {
        super(
                "image '%s' cannot be changed: the service may not write to the file (%s)"
                        .formatted(image.text(), cause.getMessage()),
                cause);
    }
}
