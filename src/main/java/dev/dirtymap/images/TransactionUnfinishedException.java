package dev.dirtymap.images;

/// A change over several images was cut short, and can be neither finished nor undone without guessing.
public final class TransactionUnfinishedException extends ImageException {

    private static final long serialVersionUID = 1L;

    private final transient Id image;
    private final String journal;

    TransactionUnfinishedException(Id image, String journal, String reason) {
        super(
                "image '%s' is part of a transaction that was cut short (%s): %s"
                        .formatted(image.text(), journal, reason));
        this.image = image;
        this.journal = journal;
    }

    /// The image that was asked for.
    Id image() {
        return image;
    }

    /// The journal's path below the root.
    public String journal() {
        return journal;
    }
}
