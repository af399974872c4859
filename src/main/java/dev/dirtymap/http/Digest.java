package dev.dirtymap.http;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/// Short fingerprints for ETags and cursors: the same in every process that sees the same values.
final class Digest {

    private static final int BYTES = 16;

    private Digest() {}

    /// 128 bits of SHA-256.
    static byte[] of(byte[] bytes) {
        try {
            return Arrays.copyOf(MessageDigest.getInstance("SHA-256").digest(bytes), BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /// 22 URL-safe characters for any values whose text says all of them.
    static String of(@Nullable Object... values) {
        byte[] text = Arrays.deepToString(values).getBytes(StandardCharsets.UTF_8);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(of(text));
    }

    /// A strong ETag.
    static String etag(@Nullable Object... values) {
        return '"' + of(values) + '"';
    }

    /// A weak ETag.
    static String weakEtag(@Nullable Object... values) {
        return "W/" + etag(values);
    }
}
