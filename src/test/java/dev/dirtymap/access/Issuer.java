package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.Date;
import org.jspecify.annotations.Nullable;

/// An issuer of JSON web tokens on the loopback address, with its discovery and its keys.
final class Issuer implements AutoCloseable {

    private final HttpServer http;
    private volatile @Nullable RSAKey key;

    /// Starts one that has no key yet, and answers 500.
    Issuer() throws IOException {
        http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.createContext(
                "/",
                exchange -> {
                    RSAKey known = key;
                    String path = exchange.getRequestURI().getPath();
                    String json =
                            path.equals("/keys") && known != null
                                    ? new JWKSet(known.toPublicJWK()).toString()
                                    : """
                                    {"issuer":"%1$s","jwks_uri":"%1$s/keys","subject_types_supported":["public"]}
                                    """
                                            .formatted(uri());
                    byte[] body = json.getBytes(UTF_8);
                    exchange.getResponseHeaders().set("Content-Type", "application/json");
                    exchange.sendResponseHeaders(known == null ? 500 : 200, body.length);
                    exchange.getResponseBody().write(body);
                    exchange.close();
                });
        http.start();
    }

    String uri() {
        return "http://127.0.0.1:" + http.getAddress().getPort();
    }

    /// Takes a new key in place of the old one.
    RSAKey rotate(String id) throws JOSEException {
        RSAKey made = new RSAKeyGenerator(2048).keyID(id).generate();
        key = made;
        return made;
    }

    /// The claims of a good token without scopes.
    JWTClaimsSet.Builder claims() {
        return new JWTClaimsSet.Builder()
                .issuer(uri())
                .audience("dirtymap")
                .subject("someone")
                .expirationTime(Date.from(Instant.now().plusSeconds(600)));
    }

    static String sign(JWTClaimsSet claims, RSAKey key) throws JOSEException {
        return sign(claims, JWSAlgorithm.RS256, key.getKeyID(), new RSASSASigner(key));
    }

    static String sign(JWTClaimsSet claims, JWSAlgorithm algorithm, String id, JWSSigner signer)
            throws JOSEException {
        SignedJWT jwt =
                new SignedJWT(
                        new JWSHeader.Builder(algorithm)
                                .keyID(id)
                                .type(new JOSEObjectType("at+jwt"))
                                .build(),
                        claims);
        jwt.sign(signer);
        return jwt.serialize();
    }

    @Override
    public void close() {
        http.stop(0);
    }
}
