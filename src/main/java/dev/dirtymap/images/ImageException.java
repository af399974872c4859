package dev.dirtymap.images;

/// An image, or what is asked of it, is not to be had; each kind says why.
public abstract sealed class ImageException extends Exception
        permits ImageNotFoundException,
                ImageUnreadableException,
                ImageLockedException,
                ImageRefusedException,
                ImageReadOnlyException,
                ImageExistsException,
                TransactionUnfinishedException,
                BitmapNotFoundException,
                BitmapUnusableException {

    private static final long serialVersionUID = 1L;

    ImageException(String message) {
        super(message);
    }

    ImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
