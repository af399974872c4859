package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.SmallDisk;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// A full disk, an unreachable root and an unfinished transaction are told apart. The last is told by
/// `UnfinishedTransactionTest`.
class HealthTest {

    @TempDir private Path folder;

    private static void assertHealth(
            Client client, String root, String space, String transactions) {
        boolean up = !List.of(root, space, transactions).contains("DOWN");
        JsonNode components =
                client.get("/actuator/health").json(up ? 200 : 503).path("components");
        assertThat(components.at("/root/status").asString()).isEqualTo(root);
        assertThat(components.at("/space/status").asString()).isEqualTo(space);
        assertThat(components.at("/transactions/status").asString()).isEqualTo(transactions);
        assertThat(components.has("diskSpace")).isFalse();
        // To start the service anew would mend none of it.
        assertThat(client.get("/actuator/health/liveness").status()).isEqualTo(200);
        assertThat(client.get("/actuator/health/readiness").status())
                .isEqualTo(root.equals("UP") ? 200 : 503);
    }

    @Test
    void tellsOfARootThatIsGoneUntilItIsBack() throws Exception {
        Path root = Files.createDirectory(folder.resolve("images"));
        try (Server server = Server.start(root)) {
            Client client = Client.of(server);
            assertHealth(client, "UP", "UP", "UP");
            Files.move(root, folder.resolve("moved"));
            assertHealth(client, "DOWN", "UNKNOWN", "UP");
            assertThat(
                            client.get("/actuator/health")
                                    .json(503)
                                    .at("/components/root/details/reason")
                                    .asString())
                    .isEqualTo(
                            "the folder %s has been moved away, or something is mounted over it; this service still has the old one"
                                    .formatted(root));
            // Another folder of this name is not the one that is served.
            Files.createDirectory(root);
            assertHealth(client, "DOWN", "UNKNOWN", "UP");
            Files.delete(root);
            Files.move(folder.resolve("moved"), root);
            assertHealth(client, "UP", "UP", "UP");
        }
    }

    /// On a small file system that only the service sees. The test reaches it through the service's process.
    @Test
    void tellsOfAFullDisk() throws Exception {
        try (ServiceProcess service =
                ServiceProcess.startBelow(
                        SmallDisk.at(folder, 40), folder, "dirtymap.root=" + folder)) {
            Client client = service.client();
            Path root = Path.of("/proc/%d/root%s".formatted(service.pid(), folder));
            assertHealth(client, "UP", "UP", "UP");
            new QemuImg(folder).create("made.qcow2", "64M");
            Files.copy(folder.resolve("made.qcow2"), root.resolve("disk.qcow2"));
            Programs.run(folder, "fallocate", "-l", "30M", root.resolve("filler").toString());
            assertHealth(client, "UP", "DOWN", "UP");
            assertThat(
                            client.get("/actuator/health")
                                    .json(503)
                                    .at("/components/space/details/freeBytes")
                                    .asLong())
                    .isBetween(0L, 10L << 20);
            // What is there can be read.
            client.json("/v1/images/disk.qcow2");
            Files.delete(root.resolve("filler"));
            assertHealth(client, "UP", "UP", "UP");
        }
    }
}
