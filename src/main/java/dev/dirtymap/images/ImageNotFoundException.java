package dev.dirtymap.images;

/// There is no image of this name beneath the root, or it is nothing we may open.
public final class ImageNotFoundException extends ImageException {

    private static final long serialVersionUID = 1L;

    private final transient Id image;

    ImageNotFoundException(Id image) {
        super("there is no image '%s'".formatted(image.text()));
        this.image = image;
    }

    /// The name that there is no image of.
    public Id image() {
        return image;
    }
}
