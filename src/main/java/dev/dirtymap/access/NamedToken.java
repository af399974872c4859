package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.NamePrefixes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/// One token of a file: a line of JSON.
///
/// A token is 256 random bits, so its SHA-256 can be reversed by nobody: the slow hashes that passwords need would
/// make every request slow and nothing safer.
///
/// @param sha256 of the token's text
/// @param expires when it ends; null for never
record NamedToken(Caller caller, byte[] sha256, @Nullable Instant expires) {

    /// The line, in the order in which it is written.
    ///
    /// @param prefixes absent or empty for all images
    /// @param expires a day, at whose beginning in UTC it ends, or an instant
    record Line(
            @Nullable String name,
            @Nullable String sha256,
            @Nullable List<String> scopes,
            @Nullable List<String> prefixes,
            @Nullable String expires) {

        String json() {
            return JSON.writeValueAsString(this);
        }
    }

    private static final JsonMapper JSON =
            JsonMapper.builder()
                    .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .changeDefaultPropertyInclusion(
                            inclusion -> inclusion.withValueInclusion(JsonInclude.Include.NON_NULL))
                    .build();

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._@:/-]{1,100}");
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

    /// Reads a line.
    ///
    /// @throws IllegalArgumentException if it is none, as half a sentence
    static NamedToken parse(String text) {
        Line line;
        try {
            line = JSON.readValue(text, Line.class);
        } catch (JacksonException e) {
            throw new IllegalArgumentException(e.getOriginalMessage(), e);
        }
        return of(line);
    }

    static NamedToken of(@Nullable Line line) {
        if (line == null || line.name == null || !NAME.matcher(line.name).matches()) {
            throw new IllegalArgumentException(
                    "name must be 1 to 100 characters of A-Z a-z 0-9 . _ @ : / -");
        }
        if (line.sha256 == null || !SHA256.matcher(line.sha256).matches()) {
            throw new IllegalArgumentException(
                    "sha256 must be the token's SHA-256 as 64 lower-case hex digits");
        }
        Caller caller = new Caller(line.name, scopes(line.scopes), prefixes(line.prefixes));
        return new NamedToken(caller, HexFormat.of().parseHex(line.sha256), instant(line.expires));
    }

    /// The scopes that are named, one at least.
    ///
    /// @throws IllegalArgumentException if there is none, or another word, as half a sentence
    static Set<Scope> scopes(@Nullable List<String> words) {
        if (words == null || words.isEmpty()) {
            throw new IllegalArgumentException("scopes must name one at least");
        }
        Set<Scope> scopes = new HashSet<>();
        for (String word : words) {
            scopes.add(
                    Scope.of(word)
                            .orElseThrow(() ->
                                    new IllegalArgumentException(
                                            "a scope must be bitmaps:read, bitmaps:write or bitmaps:delete, but was '%s'"
                                                    .formatted(word))));
        }
        return scopes;
    }

    /// Names that begin with one of these; all names if there is none.
    static NamePrefixes prefixes(@Nullable List<String> texts) {
        return texts == null || texts.isEmpty() ? NamePrefixes.ALL : limit(texts);
    }

    /// Names that begin with one of these.
    static NamePrefixes limit(List<String> texts) {
        return new NamePrefixes(texts.stream().map(text -> Id.of(text.getBytes(UTF_8))).toList());
    }

    private static @Nullable Instant instant(@Nullable String text) {
        try {
            return text == null
                    ? null
                    : text.indexOf('T') < 0
                            ? LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant()
                            : Instant.parse(text);
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException(
                    "expires must be a day as in 2027-01-01, or an instant as in 2027-01-01T12:00:00Z, but was '%s'"
                            .formatted(text),
                    e);
        }
    }

    static byte[] sha256(String token) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(token.getBytes(UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
