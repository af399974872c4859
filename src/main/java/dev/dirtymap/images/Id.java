package dev.dirtymap.images;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/// A name of any bytes as it stands in a URL (`api.md` 2): bytes in `[A-Za-z0-9._:-]` stand for themselves,
/// every other byte is `~` and two upper-case hex digits, and a name of dots only has its first dot
/// escaped. Percent-encoding with `~`, so that no proxy decodes it.
public final class Id {

    private static final HexFormat HEX = HexFormat.of().withUpperCase();

    private final byte[] name;

    private Id(byte[] name) {
        this.name = name;
    }

    /// The id of a name, which may be empty or of any length.
    public static Id of(byte[] name) {
        return new Id(name.clone());
    }

    /// Reads an id.
    ///
    /// @throws IllegalArgumentException if the text is not the canonical encoding of any name
    public static Id parse(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '~' && i + 2 < text.length() && isHex(text, i + 1) && isHex(text, i + 2)) {
                bytes.write(HexFormat.fromHexDigits(text, i + 1, i + 3));
                i += 2;
            } else if (c < 0x80 && c != '~') {
                bytes.write(c);
            } else {
                throw new IllegalArgumentException(
                        "'%s' is not an id: at position %d there must be one of A-Z a-z 0-9 . _ : - or"
                                        .formatted(text, i)
                                + " ~ and two upper-case hex digits");
            }
        }
        Id id = new Id(bytes.toByteArray());
        if (!id.toString().equals(text)) {
            throw new IllegalArgumentException(
                    "'%s' is not the canonical id of its bytes, which is '%s'".formatted(text, id));
        }
        return id;
    }

    private static boolean isHex(String text, int at) {
        return HexFormat.isHexDigit(text.charAt(at));
    }

    /// The name's bytes.
    public byte[] name() {
        return name.clone();
    }

    /// The name for people: UTF-8, with U+FFFD for whatever is not.
    public String text() {
        return new String(name, StandardCharsets.UTF_8);
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(name.length);
        boolean dotsOnly = true;
        for (byte b : name) {
            dotsOnly &= b == '.';
        }
        for (int i = 0; i < name.length; i++) {
            byte b = name[i];
            if (isPlain(b) && !(dotsOnly && i == 0)) {
                text.append((char) b);
            } else {
                text.append('~').append(HEX.toHexDigits(b));
            }
        }
        return text.toString();
    }

    private static boolean isPlain(byte b) {
        return (b >= 'a' && b <= 'z')
                || (b >= 'A' && b <= 'Z')
                || (b >= '0' && b <= '9')
                || b == '.'
                || b == '_'
                || b == ':'
                || b == '-';
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Id id && Arrays.equals(name, id.name);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(name);
    }
}
