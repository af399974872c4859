package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.QemuImg;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Logs for people and, by one property, for machines; both name the request that a line is about.
class LogsTest {

    private static final String BITMAPS = "/v1/images/disk.qcow2/bitmaps";

    @TempDir private Path folder;

    @Test
    void eachLineNamesItsRequest() {
        Server server = Server.shared();
        String image = server.newFolder().getFileName() + "~2Fno.qcow2";
        Client.of(server)
                .send("POST", "/v1/images/" + image + "/check", "{}", "X-Request-Id", "order-1")
                .problem(404, "image-not-found");
        assertThat(server.log().lines())
                .anyMatch(line -> line.contains("[order-1]") && line.contains("image=" + image))
                .anyMatch(line -> line.contains("Dirtymap is ready") && line.contains("[-]"));
    }

    @Test
    void areJsonByOneProperty() {
        new QemuImg(folder).create("disk.qcow2", "1G");
        try (Server server = Server.start(folder, "logging.structured.format.console=logstash")) {
            Client client = Client.of(server);
            client.send("POST", BITMAPS, "{\"name\":\"b\"}", "X-Request-Id", "order-1").json(201);
            List<JsonNode> lines =
                    server.log()
                            .lines()
                            .filter(line -> !line.startsWith("Picked up "))
                            .map(line -> JsonMapper.shared().readTree(line))
                            .toList();
            assertThat(lines).allMatch(line -> line.hasNonNull("@timestamp"));
            JsonNode audit =
                    lines.stream()
                            .filter(line ->
                                    line.path("logger_name").asString().equals("dirtymap.audit"))
                            .findFirst()
                            .orElseThrow();
            assertThat(audit.path("requestId").asString()).isEqualTo("order-1");
            assertThat(audit.path("operation").asString()).isEqualTo("createBitmap");
            assertThat(audit.path("image").asString()).isEqualTo("disk.qcow2");
            assertThat(audit.path("outcome").asString()).isEqualTo("201");
        }
    }
}
