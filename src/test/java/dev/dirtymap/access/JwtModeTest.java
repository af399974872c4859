package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import dev.dirtymap.http.Client;
import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Server;
import dev.dirtymap.images.SampleImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A service that takes the tokens of an issuer, which is not there yet when it starts.
class JwtModeTest {

    private static final String LIST = "/v1/images";

    @TempDir static Path root;

    private static Issuer issuer;
    private static RSAKey key;
    private static Server server;
    private static Client client;
    private static Answer whileTheIssuerWasAway;

    @BeforeAll
    static void start() throws IOException, JOSEException {
        for (String name : List.of("mine", "theirs")) {
            Files.createDirectory(root.resolve(name));
            SampleImage.write(root.resolve(name + "/a.qcow2"));
        }
        issuer = new Issuer();
        server =
                Server.start(
                        root,
                        "dirtymap.auth.mode=jwt",
                        "dirtymap.auth.jwt.issuer=" + issuer.uri(),
                        "dirtymap.auth.jwt.audience=dirtymap",
                        "dirtymap.auth.jwt.grants[0].subject=system:serviceaccount:backup:runner",
                        "dirtymap.auth.jwt.grants[0].scopes=bitmaps:read",
                        "dirtymap.auth.jwt.grants[0].prefixes=mine/");
        client = Client.of(server);
        RSAKey early = new RSAKeyGenerator(2048).keyID("first").generate();
        whileTheIssuerWasAway = as(Issuer.sign(issuer.claims().build(), early));
        key = issuer.rotate("first");
    }

    @AfterAll
    static void stop() {
        server.close();
        issuer.close();
    }

    private static Answer as(String token) {
        return client.get(LIST, "Authorization", "Bearer " + token);
    }

    private static JWTClaimsSet.Builder reader() {
        return issuer.claims().claim("scope", "openid bitmaps:read");
    }

    private static int images(String token) {
        return as(token).json().path("images").size();
    }

    @Test
    void withoutKeysNobodyCanTell() {
        whileTheIssuerWasAway.problem(503, "overloaded");
        assertThat(whileTheIssuerWasAway.header("Retry-After")).isNotEmpty();
    }

    @Test
    void scopesAndPrefixesAreClaims() throws JOSEException {
        assertThat(images(Issuer.sign(reader().build(), key))).isEqualTo(2);
        assertThat(
                        images(
                                Issuer.sign(
                                        issuer.claims()
                                                .claim("scope", List.of("bitmaps:read"))
                                                .claim("image_prefixes", List.of("mine/"))
                                                .build(),
                                        key)))
                .isEqualTo(1);
        assertThat(images(Issuer.sign(reader().claim("image_prefixes", "theirs/").build(), key)))
                .isEqualTo(1);
        assertThat(images(Issuer.sign(reader().claim("image_prefixes", List.of()).build(), key)))
                .isZero();
        as(Issuer.sign(issuer.claims().build(), key)).problem(403, "insufficient-scope");
        as(Issuer.sign(issuer.claims().claim("scope", "bitmaps:write").build(), key))
                .problem(403, "insufficient-scope");
    }

    /// As a pod in Kubernetes has it: no scopes, but a subject.
    @Test
    void aServiceAccountHasWhatItIsGranted() throws JOSEException {
        JWTClaimsSet.Builder claims =
                issuer.claims()
                        .subject("system:serviceaccount:backup:runner")
                        .claim("kubernetes.io", Map.of("namespace", "backup"));
        assertThat(images(Issuer.sign(claims.build(), key))).isEqualTo(1);
        // What it claims beyond that is not what it was granted.
        claims.claim("scope", "bitmaps:write bitmaps:delete");
        client.send(
                        "DELETE",
                        "/v1/images/mine~2Fa.qcow2/bitmaps/daily",
                        "",
                        "Authorization",
                        "Bearer " + Issuer.sign(claims.build(), key))
                .problem(403, "insufficient-scope");
    }

    @Test
    void everyOtherTokenIsRefused() throws JOSEException {
        Date past = Date.from(Instant.now().minusSeconds(3600));
        Map<String, String> tokens = new LinkedHashMap<>();
        tokens.put("wrong audience", signed(reader().audience("another")));
        tokens.put("no audience", signed(reader().audience((String) null)));
        tokens.put("wrong issuer", signed(reader().issuer("http://127.0.0.1:1")));
        tokens.put("no issuer", signed(reader().issuer(null)));
        tokens.put("expired", signed(reader().expirationTime(past)));
        tokens.put("without an end", signed(reader().expirationTime(null)));
        tokens.put(
                "not yet",
                signed(reader().notBeforeTime(Date.from(Instant.now().plusSeconds(300)))));
        tokens.put(
                "another key of the same name",
                Issuer.sign(reader().build(), new RSAKeyGenerator(2048).keyID("first").generate()));
        tokens.put("no signature", new PlainJWT(reader().build()).serialize());
        tokens.put(
                "public key as a shared secret",
                Issuer.sign(
                        reader().build(),
                        JWSAlgorithm.HS256,
                        "first",
                        new MACSigner(key.toRSAPublicKey().getEncoded())));
        String good = signed(reader());
        String[] parts = good.split("\\.", -1);
        String payload =
                new String(Base64.getUrlDecoder().decode(parts[1]), UTF_8)
                        .replace("bitmaps:read", "bitmaps:read bitmaps:delete");
        tokens.put(
                "altered",
                parts[0]
                        + '.'
                        + Base64.getUrlEncoder()
                                .withoutPadding()
                                .encodeToString(payload.getBytes(UTF_8))
                        + '.'
                        + parts[2]);
        tokens.put("cut", good.substring(0, good.length() - 10));
        tokens.put("no token at all", "dmt_x");
        tokens.forEach((what, token) -> {
            Answer answer = as(token);
            assertThat(answer.status()).as(what).isEqualTo(401);
            answer.problem(401, "unauthenticated");
            assertThat(answer.header("WWW-Authenticate"))
                    .isEqualTo("Bearer error=\"invalid_token\"");
        });
        assertThat(images(good)).isEqualTo(2);
    }

    private static String signed(JWTClaimsSet.Builder claims) throws JOSEException {
        return Issuer.sign(claims.build(), key);
    }

    @Test
    void aNewKeyIsTakenAndTheOldOneGoes() throws JOSEException {
        String old = signed(reader());
        assertThat(images(old)).isEqualTo(2);
        key = issuer.rotate("second");
        assertThat(images(signed(reader()))).isEqualTo(2);
        as(old).problem(401, "unauthenticated");
    }
}
