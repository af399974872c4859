package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

/// What is known of a stored bitmap, apart from its content.
///
/// @param latin1Name the name, one char a byte (ISO-8859-1), since a name need not be text; see [#name]
/// @param granularity in bytes
/// @param enabled whether the flag `auto` is set
/// @param state whether its content means anything
public record BitmapSpec(String latin1Name, long granularity, boolean enabled, State state) {

    /// Whether a bitmap's content can be trusted, in the words of the service.
    public enum State {
        /// QEMU exports it; [NbdMap] tells its content.
        CONSISTENT,
        /// The flag `in_use` is set and nobody holds the image: its writer died.
        INCONSISTENT,
        /// The image's autoclear bit is not set (or it is a version 2 image), so for QEMU it does not exist.
        ORPHANED
    }

    static BitmapSpec of(byte[] name, long granularity, boolean enabled) {
        return new BitmapSpec(new String(name, ISO_8859_1), granularity, enabled, State.CONSISTENT);
    }

    static BitmapSpec of(String name, long granularity, boolean enabled) {
        return of(name.getBytes(UTF_8), granularity, enabled);
    }

    BitmapSpec in(State other) {
        return new BitmapSpec(latin1Name, granularity, enabled, other);
    }

    BitmapSpec enabled(boolean other) {
        return new BitmapSpec(latin1Name, granularity, other, state);
    }

    /// The exact name.
    public byte[] name() {
        return latin1Name.getBytes(ISO_8859_1);
    }

    /// The name in the encoding of the service's paths, reckoned here independently of the service: letters, digits,
    /// `.`, `_`, `:` and `-` as they are, any other byte as `~` and two hex digits, and a name of dots only with the
    /// first dot escaped.
    public String id() {
        var id = new StringBuilder();
        for (int i = 0; i < latin1Name.length(); i++) {
            char c = latin1Name.charAt(i);
            boolean plain =
                    (c >= '0' && c <= '9')
                            || (c >= 'A' && c <= 'Z')
                            || (c >= 'a' && c <= 'z')
                            || "._:-".indexOf(c) >= 0;
            id.append(plain ? String.valueOf(c) : "~%02X".formatted((int) c));
        }
        return latin1Name.matches("\\.+") ? "~2E" + id.substring(1) : id.toString();
    }
}
