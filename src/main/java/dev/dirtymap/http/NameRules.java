package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.images.Id;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What names in bodies may be (`api.md` 2): text, or an id where the bytes are not UTF-8.
final class NameRules {

    private static final int MAX_BITMAP_NAME = 1023;

    /// What Linux takes as a path, and as a part of one.
    private static final int MAX_PATH = 4095;

    private static final int MAX_PART = 255;

    private static final String OWN_FOLDER = ".dirtymap";

    static final JsonReader.Shape<String> BITMAP = JsonReader.text(text(NameRules::bitmap));
    static final JsonReader.Shape<String> BITMAP_ID = JsonReader.text(id(NameRules::bitmap));
    static final JsonReader.Shape<String> IMAGE = JsonReader.text(text(NameRules::image));
    static final JsonReader.Shape<String> IMAGE_ID = JsonReader.text(id(NameRules::image));

    private NameRules() {}

    /// The name that one of two members gives.
    ///
    /// @param text the name as text
    /// @param id the same as an id, which is only looked at if there is no text
    static Id id(@Nullable String text, @Nullable String id) {
        return text != null ? Id.of(text.getBytes(UTF_8)) : Id.parse(id == null ? "" : id);
    }

    /// Demands exactly one of a name and an id.
    ///
    /// @return whether that is so
    static boolean requireOne(JsonReader.Members members, String name) {
        boolean text = members.has(name);
        boolean id = members.has(name + "Id");
        if (text == id) {
            members.refuse(
                    name,
                    text
                            ? "must not be given together with %sId".formatted(name)
                            : "must be given, or %sId in its place".formatted(name));
        }
        return text != id;
    }

    /// Demands at most one of a name and an id.
    static boolean requireAtMostOne(JsonReader.Members members, String name) {
        return !(members.has(name) && members.has(name + "Id")) || requireOne(members, name);
    }

    private static Function<String, String> text(java.util.function.Consumer<byte[]> rule) {
        return text -> {
            rule.accept(text.getBytes(UTF_8));
            return text;
        };
    }

    private static Function<String, String> id(java.util.function.Consumer<byte[]> rule) {
        return text -> {
            rule.accept(Id.parse(text).name());
            return text;
        };
    }

    private static void bitmap(byte[] name) {
        if (name.length < 1 || name.length > MAX_BITMAP_NAME) {
            throw new IllegalArgumentException(
                    "must have 1 to %d bytes in UTF-8, but had %d"
                            .formatted(MAX_BITMAP_NAME, name.length));
        }
        requireNoNul(name);
    }

    private static void requireNoNul(byte[] name) {
        for (byte b : name) {
            if (b == 0) {
                throw new IllegalArgumentException("must not contain NUL");
            }
        }
    }

    private static void image(byte[] name) {
        if (name.length < 1 || name.length > MAX_PATH) {
            throw new IllegalArgumentException(
                    "must have 1 to %d bytes in UTF-8, but had %d"
                            .formatted(MAX_PATH, name.length));
        }
        requireNoNul(name);
        // One byte, one character: only '/' and '.' are of interest.
        String path = new String(name, java.nio.charset.StandardCharsets.ISO_8859_1);
        List<String> parts = List.of(path.split("/", -1));
        for (String part : parts) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) {
                throw new IllegalArgumentException(
                        "must be a path relative to the root folder without empty parts, '.' and '..', but was '%s'"
                                .formatted(JsonReader.shortened(new String(name, UTF_8))));
            }
            if (part.length() > MAX_PART) {
                throw new IllegalArgumentException(
                        "must have at most %d bytes in each part of the path, but had %d"
                                .formatted(MAX_PART, part.length()));
            }
        }
        if (parts.getFirst().equals(OWN_FOLDER)) {
            throw new IllegalArgumentException(
                    "must not be in the service's own folder '%s'".formatted(OWN_FOLDER));
        }
    }
}
