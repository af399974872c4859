package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ObjectNode;

/// What is counted, as Prometheus reads it, and that no label grows with what clients send.
class MetricsTest {

    private static final String BITMAPS = "/v1/images/disk.qcow2/bitmaps";

    @TempDir private static Path folder;

    private static Server server;
    private static Client client;

    @BeforeAll
    static void start() {
        server = Server.start(folder, "dirtymap.lock-wait=200ms");
        client = Client.of(server);
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @BeforeEach
    void create() {
        new QemuImg(folder).create("disk.qcow2", "1G");
        new QemuImg(folder).bitmapAdd("disk.qcow2", "a", 65536, true);
        QemuIo.run(folder.resolve("disk.qcow2"), "discard 0 64k", "discard 1M 64k");
    }

    /// The value of each series.
    private static Map<String, Double> metrics() {
        Map<String, Double> values = new TreeMap<>();
        new String(client.get("/actuator/prometheus").body(), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> !line.startsWith("#"))
                .forEach(line -> {
                    int space = line.lastIndexOf(' ');
                    values.put(
                            line.substring(0, space),
                            Double.parseDouble(line.substring(space + 1)));
                });
        return values;
    }

    private static void assertGrew(
            Map<String, Double> before, Map<String, Double> after, String series, double by) {
        assertThat(after).containsKey(series);
        assertThat(after.getOrDefault(series, 0.0) - before.getOrDefault(series, 0.0))
                .as(series)
                .isCloseTo(by, within(1e-9));
    }

    @Test
    void tellWhatWasReadAndSent() {
        Map<String, Double> before = metrics();
        byte[] page = client.get(BITMAPS + "/a/extents").body();
        byte[] stream = client.get(BITMAPS + "/a/extents", "Accept", "text/csv").body();
        byte[] bits = client.get(BITMAPS + "/a/bits").body();
        Map<String, Double> after = metrics();
        assertGrew(before, after, "dirtymap_extents_sent_total{format=\"json\"}", 2);
        assertGrew(before, after, "dirtymap_extents_sent_total{format=\"csv\"}", 2);
        assertGrew(before, after, "dirtymap_extents_sent_total{format=\"cbor\"}", 0);
        assertGrew(before, after, sent("json"), page.length);
        assertGrew(before, after, sent("csv"), stream.length);
        assertGrew(before, after, sent("bits"), bits.length);
        assertGrew(before, after, waits("read", "locked"), 3);
        assertGrew(before, after, "dirtymap_streams", 0);
        assertThat(after.get("dirtymap_streams_max")).isPositive();
    }

    private static String sent(String format) {
        return "dirtymap_content_sent_bytes_total{format=\"%s\"}".formatted(format);
    }

    private static String waits(String access, String outcome) {
        return "dirtymap_lock_wait_seconds_count{access=\"%s\",outcome=\"%s\"}"
                .formatted(access, outcome);
    }

    @Test
    void tellWhatWasChangedAndRepaired() {
        Map<String, Double> before = metrics();
        client.send("POST", BITMAPS, "{\"name\":\"b\"}").json(201);
        client.send("POST", BITMAPS + "/b/merge", "{\"sources\":[{\"bitmap\":\"a\"}]}").json();
        client.send("POST", BITMAPS + "/b/merge", "{\"sources\":[{\"bitmap\":\"no\"}]}")
                .problem(404, "bitmap-not-found");
        client.send("POST", "/v1/images/disk.qcow2/check", "{\"repair\":\"LEAKS\"}").json();
        Map<String, Double> after = metrics();
        assertGrew(before, after, "dirtymap_commits_total{outcome=\"made\"}", 2);
        assertGrew(before, after, "dirtymap_commits_total{outcome=\"unknown\"}", 0);
        assertGrew(before, after, "dirtymap_repairs_total{kind=\"leaks\"}", 0);
        assertGrew(before, after, "dirtymap_repairs_total{kind=\"bitmaps\"}", 0);
        assertGrew(before, after, waits("write", "locked"), 4);
        assertGrew(before, after, "dirtymap_problems_total{type=\"bitmap-not-found\"}", 1);
        assertThat(
                        after.getOrDefault("dirtymap_syncs_seconds_count", 0.0)
                                - before.getOrDefault("dirtymap_syncs_seconds_count", 0.0))
                .isGreaterThanOrEqualTo(4);
    }

    @Test
    void tellWhoWasInTheWay() throws Exception {
        Map<String, Double> before = metrics();
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            ObjectNode node =
                    StorageDaemon.arguments().put("driver", "qcow2").put("node-name", "disk");
            node.putObject("file").put("driver", "file").put("filename", "disk.qcow2");
            daemon.execute("blockdev-add", node);
            client.send("POST", BITMAPS, "{\"name\":\"b\"}").problem(423, "image-locked");
            client.get(BITMAPS + "/a/extents").problem(423, "image-locked");
        }
        Map<String, Double> after = metrics();
        assertGrew(before, after, waits("write", "other-program"), 1);
        assertGrew(before, after, waits("write", "service"), 0);
        assertGrew(before, after, "dirtymap_problems_total{type=\"image-locked\"}", 2);
    }

    @Test
    void areDocumented() throws Exception {
        String page = Files.readString(Path.of("docs/operation.md"));
        for (String series : metrics().keySet()) {
            if (series.startsWith("dirtymap_")) {
                String name =
                        series.replaceAll("[{].*", "")
                                .replaceAll("_seconds_(count|sum|max)$", "_seconds");
                assertThat(page).contains("`" + name + "`");
            }
        }
    }

    @Test
    void doNotGrowWithWhatClientsSend() throws Exception {
        warmUp("x");
        metrics();
        Set<String> before = series();
        for (int i = 0; i < 30; i++) {
            warmUp("name" + i);
        }
        assertThat(series()).isEqualTo(before).isNotEmpty();
        assertThat(String.join("\n", before)).doesNotContain("disk");
        assertThat(metrics().get("dirtymap_problems_total{type=\"invalid-request\"}")).isPositive();
    }

    /// Those of the service, and of requests; the JVM has others, which come as it uses its memory.
    private static Set<String> series() {
        return metrics().keySet().stream()
                .filter(name -> name.startsWith("dirtymap_") || name.startsWith("http_"))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /// Every kind of thing that a client can name.
    private void warmUp(String name) throws Exception {
        client.get("/v1/images/" + name);
        client.get(BITMAPS + "/" + name);
        client.get("/" + name);
        client.get("/problems/" + name);
        client.get("/v1/images?" + name + "=" + name);
        client.get(BITMAPS + "/a/extents", "Accept", "text/" + name);
        client.send("POST", BITMAPS, "{\"%s\":1}".formatted(name));
        for (String line :
                new String[] {
                    name.toUpperCase(Locale.ROOT) + " /v1/images HTTP/1.1",
                    "GET /v1/images/%s%%2F HTTP/1.1".formatted(name),
                    "GET /v1/images HTTP/" + name
                }) {
            try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
                socket.getOutputStream()
                        .write(
                                "%s\r\nHost: %s\r\nConnection: close\r\n\r\n"
                                        .formatted(line, name)
                                        .getBytes(StandardCharsets.ISO_8859_1));
                assertThat(
                                new String(
                                        socket.getInputStream().readAllBytes(),
                                        StandardCharsets.UTF_8))
                        .startsWith("HTTP/1.1 ");
            }
        }
        assertThat(IntStream.range(0, 3).map(i -> client.get("/actuator/health").status()))
                .containsOnly(200);
    }
}
