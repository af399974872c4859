package dev.dirtymap.access;

import java.util.Arrays;
import java.util.Collection;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/// What a caller may do. No scope includes another.
public enum Scope {
    READ("bitmaps:read", "Read everything."),
    WRITE(
            "bitmaps:write",
            "Create images; create, change, rename, mark, merge and copy bitmaps; check without repair."),
    DELETE("bitmaps:delete", "Delete, clear and overwrite bitmaps; repair.");

    private final String text;
    private final String meaning;

    Scope(String text, String meaning) {
        this.text = text;
        this.meaning = meaning;
    }

    /// As it stands in a token.
    public String text() {
        return text;
    }

    String meaning() {
        return meaning;
    }

    static Optional<Scope> of(String text) {
        return Arrays.stream(values()).filter(scope -> scope.text.equals(text)).findFirst();
    }

    /// Those among these words that are scopes here.
    static Set<Scope> among(Collection<String> words) {
        Set<Scope> scopes = EnumSet.noneOf(Scope.class);
        words.forEach(word -> of(word).ifPresent(scopes::add));
        return scopes;
    }

    static String texts(Collection<Scope> scopes) {
        return scopes.stream().sorted().map(Scope::text).collect(Collectors.joining(" "));
    }
}
