package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.http.Server;
import dev.dirtymap.testimages.Programs;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The service behind TLS, with files as an operator renews them, to clients that must show a certificate.
class TlsTest {

    private static final char[] PASSWORD = "changeit".toCharArray();

    @TempDir private Path root;
    @TempDir private Path keys;

    /// A key with a certificate that it signed itself, in PEM files.
    private KeyStore made(String name) throws IOException, GeneralSecurityException {
        Path file = keys.resolve(name + ".p12");
        Programs.run(
                keys,
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "it",
                "-keyalg",
                "EC",
                "-dname",
                "CN=" + name,
                "-ext",
                "SAN=ip:127.0.0.1",
                "-storetype",
                "PKCS12",
                "-storepass",
                new String(PASSWORD),
                "-keystore",
                file.toString());
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(file)) {
            store.load(in, PASSWORD);
        }
        pem(name + ".key", "PRIVATE KEY", store.getKey("it", PASSWORD).getEncoded());
        pem(name + ".crt", "CERTIFICATE", store.getCertificate("it").getEncoded());
        return store;
    }

    private void pem(String file, String what, byte[] content) throws IOException {
        String text = Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII)).encodeToString(content);
        Files.writeString(
                keys.resolve(file),
                "-----BEGIN %1$s-----%n%2$s%n-----END %1$s-----%n".formatted(what, text));
    }

    private void install(String name) throws IOException {
        for (String end : new String[] {".crt", ".key"}) {
            Files.copy(
                    keys.resolve(name + end),
                    keys.resolve("server" + end),
                    StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static HttpClient client(KeyStore trusted, @Nullable KeyStore own)
            throws GeneralSecurityException, IOException {
        KeyStore anchors = KeyStore.getInstance("PKCS12");
        anchors.load(null, null);
        anchors.setCertificateEntry("it", trusted.getCertificate("it"));
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(anchors);
        KeyManagerFactory identity =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        identity.init(own, PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(
                own == null ? null : identity.getKeyManagers(), trust.getTrustManagers(), null);
        return HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .sslContext(context)
                .build();
    }

    private static HttpResponse<String> get(HttpClient client, Server server)
            throws IOException, InterruptedException {
        return client.send(
                HttpRequest.newBuilder(
                                URI.create("https://127.0.0.1:" + server.port() + "/v1/images"))
                        .timeout(Duration.ofSeconds(60))
                        .build(),
                BodyHandlers.ofString());
    }

    private static Certificate served(KeyStore trusted, KeyStore own, Server server)
            throws IOException, InterruptedException, GeneralSecurityException {
        try (HttpClient client = client(trusted, own)) {
            HttpResponse<String> answer = get(client, server);
            assertThat(answer.statusCode()).isEqualTo(200);
            return answer.sslSession().orElseThrow().getPeerCertificates()[0];
        }
    }

    @Test
    void aRenewedCertificateIsServedAndClientsMustShowTheirs()
            throws IOException, InterruptedException, GeneralSecurityException {
        KeyStore first = made("first");
        KeyStore second = made("second");
        KeyStore known = made("known");
        KeyStore stranger = made("stranger");
        install("first");
        try (Server server =
                Server.start(
                        root,
                        "server.ssl.bundle=server",
                        "server.ssl.client-auth=need",
                        "spring.ssl.bundle.pem.server.reload-on-update=true",
                        "spring.ssl.bundle.watch.file.quiet-period=100ms",
                        "spring.ssl.bundle.pem.server.keystore.certificate=file:"
                                + keys.resolve("server.crt"),
                        "spring.ssl.bundle.pem.server.keystore.private-key=file:"
                                + keys.resolve("server.key"),
                        "spring.ssl.bundle.pem.server.truststore.certificate=file:"
                                + keys.resolve("known.crt"))) {
            assertThat(server.log()).contains("API https://127.0.0.1:");
            assertThat(served(first, known, server)).isEqualTo(first.getCertificate("it"));
            try (HttpClient nobody = client(first, null);
                    HttpClient another = client(first, stranger)) {
                assertThatThrownBy(() -> get(nobody, server)).isInstanceOf(IOException.class);
                assertThatThrownBy(() -> get(another, server)).isInstanceOf(IOException.class);
            }

            install("second");
            Instant end = Instant.now().plusSeconds(90);
            while (true) {
                try {
                    assertThat(served(second, known, server))
                            .isEqualTo(second.getCertificate("it"));
                    break;
                } catch (IOException notYet) {
                    assertThat(Instant.now()).as(server.log()).isBefore(end);
                    Thread.sleep(100);
                }
            }
        }
    }
}
