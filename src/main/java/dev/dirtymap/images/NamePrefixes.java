package dev.dirtymap.images;

import java.util.Arrays;
import java.util.List;

/// Which images somebody may see: those whose names begin with the bytes of one of these prefixes. All others are
/// absent to him.
public record NamePrefixes(List<Id> prefixes) {

    /// Every image: each name begins with nothing.
    public static final NamePrefixes ALL = new NamePrefixes(List.of(Id.of(new byte[0])));

    /// No image.
    public static final NamePrefixes NONE = new NamePrefixes(List.of());

    public NamePrefixes {
        prefixes = List.copyOf(prefixes);
    }

    /// Whether no image is left out.
    public boolean areAll() {
        return prefixes.stream().anyMatch(prefix -> prefix.name().length == 0);
    }

    /// Whether an image is seen.
    boolean hold(byte[] name) {
        return prefixes.stream()
                .map(Id::name)
                .anyMatch(prefix ->
                        name.length >= prefix.length && sameUntil(prefix.length, name, prefix));
    }

    /// Whether any image in a folder can be seen.
    ///
    /// @param folder its path with a slash at its end
    boolean reachInto(byte[] folder) {
        return prefixes.stream()
                .map(Id::name)
                .anyMatch(prefix ->
                        sameUntil(Math.min(prefix.length, folder.length), folder, prefix));
    }

    private static boolean sameUntil(int end, byte[] one, byte[] other) {
        return Arrays.equals(one, 0, end, other, 0, end);
    }
}
