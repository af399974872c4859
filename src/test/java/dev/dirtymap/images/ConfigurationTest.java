package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.Application;
import dev.dirtymap.http.Client;
import dev.dirtymap.http.Server;
import dev.dirtymap.http.ServiceProcess;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.builder.SpringApplicationBuilder;
import tools.jackson.databind.JsonNode;

/// What an operator can set (`api.md` 3), each time in a process of its own.
class ConfigurationTest {

    @TempDir private Path working;

    private ServiceProcess start(Map<String, String> environment, String... properties) {
        return ServiceProcess.start(working, environment, properties);
    }

    private void assertRefused(
            String sentence, Map<String, String> environment, String... properties)
            throws IOException {
        try (ServiceProcess service = start(environment, properties)) {
            assertThat(service.awaitEnd()).as(service.log()).isEqualTo(1);
            assertThat(service.log()).contains(sentence).doesNotContain("\tat ");
        }
        try (Stream<Path> left = Files.list(working)) {
            assertThat(left).as("what a refused start leaves behind").isEmpty();
        }
    }

    @Test
    void aConfiguredRootThatIsMissingIsRefused() throws IOException {
        Path missing = working.resolve("missing");
        assertRefused(
                "dirtymap.root: the folder %s does not exist.".formatted(missing),
                Map.of("DIRTYMAP_ROOT", missing.toString()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "server.address=0.0.0.0 | server.address (SERVER_ADDRESS) is 0.0.0.0, but with"
                        + " dirtymap.auth.mode none the service serves this machine only.",
                "dirtymap.auth.mode=token | dirtymap.auth.tokens is not set, but dirtymap.auth.mode is token.",
                "dirtymap.auth.mode=jwt | dirtymap.auth.jwt.issuer is not set, but dirtymap.auth.mode is jwt.",
                "dirtymap.auth.mode=NONE2 | dirtymap.auth.mode must be none, token or jwt, but was 'NONE2'.",
                "dirtymap.lock-wait=61s | dirtymap.lock-wait must be 0s to 60s but was PT1M1S"
            })
    void whatWouldBeUnsafeIsRefused(String property, String sentence, @TempDir Path root) {
        var application = new SpringApplicationBuilder(Application.class);
        assertThatThrownBy(() ->
                        application.run(
                                "--server.port=0", "--dirtymap.root=" + root, "--" + property))
                .hasStackTraceContaining(sentence);
    }

    @Test
    void aRefusalIsToldInOneSentenceAndTheWayOut(@TempDir Path root) throws IOException {
        assertRefused(
                "server.address (SERVER_ADDRESS) is 0.0.0.0, but with dirtymap.auth.mode none the"
                        + " service serves this machine only.",
                Map.of("SERVER_ADDRESS", "0.0.0.0"),
                "dirtymap.root=" + root);
    }

    @Test
    void theDefaultFolderIsMadeWithASample() throws IOException {
        try (ServiceProcess service = start(Map.of())) {
            String ready = service.readyLine();
            Client client = service.client();
            Path images = working.resolve("images");
            assertThat(ready)
                    .contains("API http://127.0.0.1:%d/v1/images".formatted(client.port()))
                    .contains(
                            "Swagger UI http://127.0.0.1:%d/swagger-ui.html"
                                    .formatted(client.port()))
                    .contains("images in " + images.toRealPath());

            QemuImg qemuImg = new QemuImg(images);
            qemuImg.assertClean("sample.qcow2");
            JsonNode bitmaps =
                    qemuImg.info("sample.qcow2")
                            .path("format-specific")
                            .path("data")
                            .path("bitmaps");
            assertThat(bitmaps.size()).isEqualTo(3);
            JsonNode list = client.json("/v1/images").path("images");
            assertThat(list.size()).isEqualTo(1);
            assertThat(list.get(0).path("bitmapCount").asInt()).isEqualTo(3);
            assertThat(list.get(0).path("opensInQemu").asBoolean()).isTrue();
            List<String> names = new ArrayList<>();
            for (JsonNode bitmap :
                    client.json("/v1/images/sample.qcow2/bitmaps?include=TOTALS").path("bitmaps")) {
                names.add(bitmap.path("name").asString());
                assertThat(bitmap.path("dirtyBytes").asLong()).isPositive();
            }
            assertThat(names).containsExactlyInAnyOrder("daily", "monday", "archive");
        }
        try (Stream<Path> made = Files.list(working)) {
            assertThat(made).containsExactly(working.resolve("images"));
        }
    }

    @Test
    void aDefaultFolderThatExistsStaysAsItIs() throws IOException {
        Files.createDirectory(working.resolve("images"));
        try (ServiceProcess service = start(Map.of())) {
            assertThat(service.client().json("/v1/images").path("images").size()).isZero();
        }
        try (Stream<Path> inside = Files.list(working.resolve("images"))) {
            assertThat(inside).isEmpty();
        }
    }

    @Test
    void aRequestWaitsForALockAsLongAsConfigured(@TempDir Path root) {
        new QemuImg(root).create("disk.qcow2", "1G");
        new QemuImg(root).bitmapAdd("disk.qcow2", "a", 65536, true);
        try (Server server = Server.start(root, "dirtymap.lock-wait=700ms");
                StorageDaemon daemon = StorageDaemon.start(root)) {
            Client client = Client.of(server);
            daemon.open("disk", "disk.qcow2", false);
            client.json("/v1/images/disk.qcow2");
            long start = System.nanoTime();
            client.get("/v1/images/disk.qcow2/bitmaps/a/extents").problem(423, "image-locked");
            long millis = (System.nanoTime() - start) / 1_000_000;
            System.out.println("waited " + millis + " ms for a lock, 700 ms are configured");
            assertThat(millis).isBetween(700L, 1900L);
        }
    }
}
