package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/// Where a list goes on: opaque to clients, complete in itself, so that it works on another replica and
/// after a restart. A checksum tells an altered one from a whole one; it holds no secret.
///
/// @param kind what list it belongs to
/// @param fields what it says, without line feeds
record Cursor(String kind, List<String> fields) {

    private static final int CHECKSUM = 9;

    /// The text that clients send back: URL-safe.
    String seal() {
        byte[] payload = (kind + "\n" + String.join("\n", fields)).getBytes(StandardCharsets.UTF_8);
        byte[] sealed =
                ByteBuffer.allocate(CHECKSUM + payload.length)
                        .put(Digest.of(payload), 0, CHECKSUM)
                        .put(payload)
                        .array();
        return Base64.getUrlEncoder().withoutPadding().encodeToString(sealed);
    }

    /// Reads a cursor of one kind.
    ///
    /// @param count how many fields it must have
    /// @throws ProblemException `cursor-invalid` if it is none, or of another kind
    static Cursor open(String text, String kind, int count) {
        byte[] sealed;
        try {
            sealed = Base64.getUrlDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            throw invalid("it is not one that this service made");
        }
        if (sealed.length <= CHECKSUM) {
            throw invalid("it is not one that this service made");
        }
        byte[] payload = Arrays.copyOfRange(sealed, CHECKSUM, sealed.length);
        if (!Arrays.equals(Digest.of(payload), 0, CHECKSUM, sealed, 0, CHECKSUM)) {
            throw invalid("it was altered, or is not one that this service made");
        }
        List<String> parts = List.of(new String(payload, StandardCharsets.UTF_8).split("\n", -1));
        Cursor cursor = new Cursor(parts.getFirst(), parts.subList(1, parts.size()));
        // Base64 has spare bits at its end: only the one true spelling is taken.
        if (!cursor.kind.equals(kind)
                || cursor.fields.size() != count
                || !cursor.seal().equals(text)) {
            throw invalid("it belongs to another resource");
        }
        return cursor;
    }

    /// Refuses a cursor that says something else than the request.
    void require(int field, String value, String what) {
        if (!fields.get(field).equals(value)) {
            throw invalid("it was made for another " + what);
        }
    }

    /// A number that was put into the cursor.
    ///
    /// @throws ProblemException `cursor-invalid` if it is none between the two: the checksum is no secret,
    ///     and another release may have meant something else
    long number(int field, long least, long most) {
        try {
            long value = Long.parseLong(fields.get(field));
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException notOurs) {
            // Told below.
        }
        throw invalid("it is not one that this release made");
    }

    /// Whether a field that may be empty is not.
    boolean isSet(int field) {
        return !fields.get(field).isEmpty();
    }

    /// One of an enum's names that was put into the cursor.
    <E extends Enum<E>> E name(int field, Class<E> type) {
        try {
            return Enum.valueOf(type, fields.get(field));
        } catch (IllegalArgumentException notOurs) {
            throw invalid("it is not one that this release made");
        }
    }

    /// An id that was put into the cursor.
    Id id(int field) {
        try {
            return Id.parse(fields.get(field));
        } catch (IllegalArgumentException notOurs) {
            throw invalid("it is not one that this release made");
        }
    }

    static ProblemException invalid(String why) {
        return new ProblemException(ProblemType.CURSOR_INVALID, "the cursor cannot be used: " + why)
                .with("errors", List.of(new ProblemException.ParameterError("cursor", why)));
    }
}
