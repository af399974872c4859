package dev.dirtymap.images;

/// A lock could not be had within `dirtymap.lock-wait`.
public final class ImageLockedException extends ImageException {

    private static final long serialVersionUID = 1L;

    /// Who holds the image.
    public enum Holder {
        /// Another request, here or in another process of this service.
        SERVICE,
        /// QEMU or one of its tools.
        OTHER_PROGRAM
    }

    private final Holder holder;

    ImageLockedException(Id image, Holder holder) {
        super(
                "image '%s' is held for writing by %s"
                        .formatted(
                                image.text(),
                                holder == Holder.SERVICE ? "this service" : "another program"));
        this.holder = holder;
    }

    public Holder holder() {
        return holder;
    }
}
