package dev.dirtymap.qcow2;

import java.io.IOException;

/// A file breaks a rule of the format in such a way that it cannot be read as a whole. Damage that
/// concerns bitmaps only is never thrown: it is a state of the bitmap, with a reason.
public final class FormatException extends IOException {

    private static final long serialVersionUID = 1L;

    private final transient Violation violation;

    public FormatException(Violation violation) {
        super(violation.toString());
        this.violation = violation;
    }

    /// What is broken, where, and what it should be.
    public Violation violation() {
        return violation;
    }
}
