package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.dirtymap.testimages.QemuImg;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Traces go where the usual environment variable says, continue the caller's, and are not made without it.
class TracingTest {

    private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";

    /// What the report of the configuration says.
    private static final String MADE = "OpenTelemetryTracingAutoConfiguration matched";

    @TempDir private Path folder;

    /// What the collector was sent, as it came.
    private final BlockingQueue<byte[]> received = new LinkedBlockingQueue<>();

    private HttpServer collector() throws IOException {
        HttpServer collector =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        collector.createContext(
                "/v1/traces",
                exchange -> {
                    byte[] body = exchange.getRequestBody().readAllBytes();
                    if ("gzip".equals(exchange.getRequestHeaders().getFirst("Content-Encoding"))) {
                        body = new GZIPInputStream(new ByteArrayInputStream(body)).readAllBytes();
                    }
                    received.add(body);
                    exchange.sendResponseHeaders(200, -1);
                    exchange.close();
                });
        collector.start();
        return collector;
    }

    @Test
    void goToTheCollectorAndContinueTheCallers() throws Exception {
        new QemuImg(folder).create("disk.qcow2", "1G");
        HttpServer collector = collector();
        String endpoint = "http://127.0.0.1:" + collector.getAddress().getPort();
        try (ServiceProcess service =
                ServiceProcess.start(
                        folder,
                        Map.of(
                                "OTEL_EXPORTER_OTLP_ENDPOINT",
                                endpoint,
                                "OTEL_BSP_SCHEDULE_DELAY",
                                "100"),
                        "dirtymap.root=" + folder,
                        "debug=true")) {
            Client.Answer answer =
                    service.client()
                            .get(
                                    "/v1/images/disk.qcow2",
                                    "X-Request-Id",
                                    "order-7",
                                    "traceparent",
                                    "00-" + TRACE + "-b7ad6b7169203331-01");
            assertThat(answer.status()).isEqualTo(200);
            assertThat(service.log()).contains(MADE);
            byte[] body = received.poll(30, TimeUnit.SECONDS);
            assertThat(body).isNotNull();
            // Protocol buffers: texts and ids stand there as they are.
            assertThat(new String(body, ISO_8859_1))
                    .contains("dirtymap", "http get /v1/images/{image}", "request.id", "order-7")
                    .contains(new String(HexFormat.of().parseHex(TRACE), ISO_8859_1));
        } finally {
            collector.stop(0);
        }
    }

    @Test
    void nothingOfItIsThereWithoutACollector() {
        try (ServiceProcess service =
                ServiceProcess.start(folder, Map.of(), "dirtymap.root=" + folder, "debug=true")) {
            service.readyLine();
            assertThat(service.log()).contains("WebMvcAutoConfiguration matched");
            assertThat(service.log()).doesNotContain(MADE);
        }
    }
}
