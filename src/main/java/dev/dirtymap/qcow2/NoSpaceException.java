package dev.dirtymap.qcow2;

import java.io.IOException;

/// The file system has no room left for what is to be written.
public final class NoSpaceException extends IOException {

    private static final long serialVersionUID = 1L;

    public NoSpaceException(String message) {
        super(message);
    }
}
