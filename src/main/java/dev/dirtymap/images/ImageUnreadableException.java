package dev.dirtymap.images;

import dev.dirtymap.qcow2.FormatException;
import dev.dirtymap.qcow2.Rule;

/// The file claims to be a qcow2 image but cannot be read as one.
public final class ImageUnreadableException extends ImageException {

    private static final long serialVersionUID = 1L;

    private final String reason;
    private final boolean opensInQemu;
    private final boolean unknownFeature;

    ImageUnreadableException(Id image, FormatException broken) {
        super("image '%s' cannot be read: %s".formatted(image.text(), broken.violation()), broken);
        this.reason = broken.violation().toString();
        this.opensInQemu = broken.violation().rule().inQemu() == Rule.InQemu.OPENS;
        this.unknownFeature = broken.violation().rule() == Rule.INCOMPATIBLE_FEATURES;
    }

    ImageUnreadableException(Id image, String reason, Exception cause) {
        super("image '%s' cannot be read: %s".formatted(image.text(), reason), cause);
        this.reason = reason;
        this.opensInQemu = false;
        this.unknownFeature = false;
    }

    /// What is wrong with it, without its name.
    public String reason() {
        return reason;
    }

    /// Whether it uses an incompatible feature that is not known here, and nothing else is known to be wrong.
    public boolean isUnknownFeature() {
        return unknownFeature;
    }

    /// Whether QEMU's rules let it open the image all the same, as far as is known.
    public boolean opensInQemu() {
        return opensInQemu;
    }
}
