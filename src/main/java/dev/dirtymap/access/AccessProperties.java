package dev.dirtymap.access;

import dev.dirtymap.images.ConfigurationException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/// Which credentials a request needs.
///
/// @param mode `none`, `token` or `jwt`
/// @param tokens of `token`: the file of named tokens
/// @param jwt of `jwt`
@ConfigurationProperties("dirtymap.auth")
record AccessProperties(
        @DefaultValue("none") String mode, @Nullable Path tokens, @DefaultValue Jwt jwt) {

    /// Which credentials there are.
    enum Mode {
        /// None: everybody who reaches the loopback address.
        NONE,
        /// Tokens of a file.
        TOKEN,
        /// JSON web tokens of an issuer.
        JWT
    }

    /// Whose JSON web tokens are good.
    ///
    /// @param issuer must be in `iss`, and is where the keys are found if `jwkSetUri` is absent
    /// @param jwkSetUri where the keys are
    /// @param audience must be among `aud`
    /// @param scopesClaim has the scopes: words in a string, or a list
    /// @param prefixesClaim has the name prefixes, as a string or a list; without it there is no limit
    /// @param grants for subjects whose tokens have no such claims
    record Jwt(
            @Nullable String issuer,
            @Nullable String jwkSetUri,
            @Nullable String audience,
            @DefaultValue("scope") String scopesClaim,
            @DefaultValue("image_prefixes") String prefixesClaim,
            @DefaultValue List<Grant> grants) {}

    /// What one subject may do, whatever the claims of its tokens say.
    ///
    /// @param prefixes none for all images
    record Grant(
            String subject,
            @DefaultValue List<String> scopes,
            @DefaultValue List<String> prefixes) {}

    Mode kind() {
        for (Mode known : Mode.values()) {
            if (known.name().equals(mode.toUpperCase(Locale.ROOT))) {
                return known;
            }
        }
        throw new ConfigurationException(
                "dirtymap.auth.mode must be none, token or jwt, but was '%s'.".formatted(mode),
                "Set dirtymap.auth.mode (DIRTYMAP_AUTH_MODE) to one of them.");
    }
}
