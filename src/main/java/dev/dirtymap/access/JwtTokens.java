package dev.dirtymap.access;

import dev.dirtymap.access.AccessProperties.Grant;
import dev.dirtymap.images.ConfigurationException;
import dev.dirtymap.images.NamePrefixes;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.BadJwtException;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimNames;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtDecoderInitializationException;
import org.springframework.security.oauth2.jwt.JwtException;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.jwt.SupplierJwtDecoder;

/// JSON web tokens of one issuer, for one audience. The issuer may be away when the service starts.
final class JwtTokens implements Credentials {

    private final AccessProperties.Jwt properties;
    private final Map<String, Caller> granted;
    private final JwtDecoder decoder;

    JwtTokens(AccessProperties.Jwt properties) {
        this.properties = properties;
        String issuer = require(properties.issuer(), "issuer");
        String audience = require(properties.audience(), "audience");
        this.granted =
                properties.grants().stream()
                        .map(JwtTokens::caller)
                        .collect(Collectors.toMap(Caller::name, Function.identity()));
        this.decoder = new SupplierJwtDecoder(() -> decoder(properties, issuer, audience));
    }

    private static String require(@Nullable String value, String name) {
        if (value == null || value.isBlank()) {
            throw new ConfigurationException(
                    "dirtymap.auth.jwt.%s is not set, but dirtymap.auth.mode is jwt."
                            .formatted(name),
                    "Set dirtymap.auth.jwt.%s (DIRTYMAP_AUTH_JWT_%s): who issues the tokens, and the audience that"
                                    .formatted(name, name.toUpperCase(Locale.ROOT))
                            + " they must be made for.");
        }
        return value;
    }

    private static Caller caller(Grant grant) {
        try {
            return new Caller(
                    grant.subject(),
                    NamedToken.scopes(grant.scopes()),
                    NamedToken.prefixes(grant.prefixes()));
        } catch (IllegalArgumentException e) {
            throw new ConfigurationException(
                    "dirtymap.auth.jwt.grants for subject '%s': %s."
                            .formatted(grant.subject(), e.getMessage()),
                    "Give each grant a subject and scopes.");
        }
    }

    /// Only signatures by a private key are taken: of what is signed with a shared secret, the public key could be
    /// made the secret.
    private static JwtDecoder decoder(
            AccessProperties.Jwt properties, String issuer, String audience) {
        NimbusJwtDecoder decoder =
                (properties.jwkSetUri() == null
                                ? NimbusJwtDecoder.withIssuerLocation(issuer)
                                : NimbusJwtDecoder.withJwkSetUri(properties.jwkSetUri()))
                        .jwsAlgorithms(
                                known -> known.addAll(Arrays.asList(SignatureAlgorithm.values())))
                        // Of access tokens the type is at+jwt, JWT or absent, as the issuer likes.
                        .validateType(false)
                        .build();
        OAuth2TokenValidator<Jwt> forUs =
                new JwtClaimValidator<Collection<String>>(
                        JwtClaimNames.AUD,
                        audiences -> audiences != null && audiences.contains(audience));
        OAuth2TokenValidator<Jwt> ends =
                new JwtClaimValidator<>(JwtClaimNames.EXP, Objects::nonNull);
        decoder.setJwtValidator(
                new DelegatingOAuth2TokenValidator<>(
                        new JwtTimestampValidator(), ends, new JwtIssuerValidator(issuer), forUs));
        return decoder;
    }

    @Override
    public Caller whose(String token) {
        Jwt jwt;
        try {
            jwt = decoder.decode(token);
        } catch (BadJwtException e) {
            throw new UnauthenticatedException(
                    "the token is refused: " + String.valueOf(e.getMessage()));
        } catch (JwtException | JwtDecoderInitializationException e) {
            throw new KeysUnavailableException(e);
        }
        String subject = jwt.getSubject() == null ? "" : jwt.getSubject();
        Caller known = granted.get(subject);
        if (known != null) {
            return known;
        }
        Object scopes = jwt.getClaims().get(properties.scopesClaim());
        Object prefixes = jwt.getClaims().get(properties.prefixesClaim());
        return new Caller(
                subject,
                Scope.among(
                        words(scopes).stream()
                                .flatMap(text -> Arrays.stream(text.split(" ", -1)))
                                .toList()),
                // A limit that nobody understands is not one to be ignored.
                prefixes == null ? NamePrefixes.ALL : NamedToken.limit(words(prefixes)));
    }

    private static List<String> words(@Nullable Object claim) {
        return switch (claim) {
            case String text -> List.of(text);
            case Collection<?> list -> list.stream().map(Object::toString).toList();
            case null, default -> List.of();
        };
    }
}
