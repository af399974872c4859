package dev.dirtymap.reliability;

import dev.dirtymap.http.Client;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;

/// A client that reads without a pause, and knows whether it was told everything.
final class Reader {

    private static final List<String> PATHS =
            List.of(
                    "/bitmaps/tracked/extents",
                    "/bitmaps/tracked/extents?state=ALL",
                    "/extents",
                    "/extents?bitmap=tracked",
                    "/bitmaps/tracked/extents?align=1048576");

    private final Random random;
    private final Replicas replicas;
    private final Findings findings;

    Reader(int number, Replicas replicas, Findings findings) {
        this.random = new Random(ReliabilityRun.SEED * 31 + number);
        this.replicas = replicas;
        this.findings = findings;
    }

    void once() {
        String image = ReliabilityRun.IMAGES.get(random.nextInt(ReliabilityRun.IMAGES.size()));
        String path = "/v1/images/" + image + PATHS.get(random.nextInt(PATHS.size()));
        Client client = replicas.any(random);
        try {
            if (random.nextInt(4) == 0) {
                // A list of everything there is, with locks that are only looked at.
                int status = client.get("/v1/images?hasInconsistent=false").status();
                findings.require(status == 200 || status == 503, () -> "list: " + status);
                findings.count("reads answered");
            } else {
                stream(client, path);
            }
        } catch (UncheckedIOException | IOException cut) {
            findings.count("reads cut by a kill");
        }
    }

    private void stream(Client client, String path) throws IOException {
        var response = client.stream(path, "Accept", "text/plain");
        String last = "";
        long lines = 0;
        try (BufferedReader in =
                new BufferedReader(
                        new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                last = line;
                lines++;
            }
        }
        String end = last;
        switch (response.statusCode()) {
            case 200 -> {
                if (end.startsWith("# complete extents=" + (lines - 1) + " ")) {
                    findings.count("reads answered");
                    findings.add("extents read", lines - 1);
                } else if (end.startsWith("# error ")) {
                    findings.count("streams that ended with an error record");
                } else {
                    findings.wrong("%s ends with: %s".formatted(path, end));
                }
            }
            case 409, 423, 503 -> findings.count("reads refused, " + response.statusCode());
            default -> findings.wrong("%s: %d %s".formatted(path, response.statusCode(), end));
        }
    }
}
