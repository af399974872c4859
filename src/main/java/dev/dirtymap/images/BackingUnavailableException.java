package dev.dirtymap.images;

import java.io.IOException;

/// A file below an image (backing or data file) is missing, not readable, outside the root, or named in a way that
/// is not followed. The image itself is sound.
public final class BackingUnavailableException extends IOException {

    private static final long serialVersionUID = 1L;

    private final String namedBy;
    private final String name;
    private final String reason;

    /// @param namedBy the file that names it, as people write it
    /// @param name as it is stored there
    /// @param reason why it cannot be had, as half a sentence
    BackingUnavailableException(String namedBy, String name, String reason) {
        super("'%s', which '%s' needs, cannot be read: %s".formatted(name, namedBy, reason));
        this.namedBy = namedBy;
        this.name = name;
        this.reason = reason;
    }

    /// The file that names it.
    public String namedBy() {
        return namedBy;
    }

    /// Its name as it is stored.
    public String name() {
        return name;
    }

    /// Why it cannot be had.
    public String reason() {
        return reason;
    }
}
