package dev.dirtymap.qcow2;

import java.nio.charset.StandardCharsets;

/// Names are bytes; this is how they are shown to people.
public final class Names {

    private Names() {}

    /// The bytes as UTF-8, with U+FFFD for whatever is not.
    public static String text(byte[] name) {
        return new String(name, StandardCharsets.UTF_8);
    }
}
