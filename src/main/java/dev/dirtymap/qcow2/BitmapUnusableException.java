package dev.dirtymap.qcow2;

/// The content of a bitmap was asked for that has none to trust.
public final class BitmapUnusableException extends Exception {

    private static final long serialVersionUID = 1L;

    private final BitmapState state;

    BitmapUnusableException(BitmapState state, String reason) {
        super(reason);
        this.state = state;
    }

    /// Why: anything but [BitmapState#CONSISTENT].
    public BitmapState state() {
        return state;
    }
}
