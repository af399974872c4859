package dev.dirtymap.reliability;

import dev.dirtymap.http.Client;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/// One run: three replicas, clients that change and clients that read without a pause, and faults. Ends with exit code
/// 1 and what was wrong, or with the figures.
final class ReliabilityRun {

    static final long SEED = 20_261_123;

    private static final int OWNERS = 6;
    private static final int READERS = 4;

    /// Small enough to be changed often, large enough to fill more than a piece of a stream.
    private static final String SIZE = "64G";

    static final List<String> IMAGES =
            List.of("disk0.qcow2", "disk1.qcow2", "sub~2Fdisk2.qcow2", "disk3.qcow2");

    private final Path folder;
    private final int seconds;
    private final Findings findings = new Findings();

    private ReliabilityRun(Path folder, int seconds) {
        this.folder = folder;
        this.seconds = seconds;
    }

    static Path file(Path folder, String image) {
        return folder.resolve(image.replace("~2F", "/"));
    }

    /// Runs, and ends with the exit code.
    ///
    /// @param arguments the root, on a small file system of its own, and for how many seconds to run
    public static void main(String[] arguments) throws Exception {
        ReliabilityRun run =
                new ReliabilityRun(Path.of(arguments[0]), Integer.parseInt(arguments[1]));
        run.run();
        System.exit(run.findings.tell(System.out) ? 0 : 1);
    }

    private void run() throws Exception {
        Files.createDirectory(folder.resolve("sub"));
        for (String image : IMAGES) {
            Path file = file(folder, image);
            QemuImg qemu = new QemuImg(Objects.requireNonNull(file.getParent()));
            qemu.create(file.getFileName().toString(), SIZE);
            qemu.bitmapAdd(file.getFileName().toString(), Faults.TRACKED, Owner.GRANULARITY, true);
        }
        try (Replicas replicas = Replicas.start(folder, findings)) {
            Faults faults = new Faults(folder, replicas, findings);
            List<Owner> owners =
                    IntStream.range(0, OWNERS)
                            .mapToObj(i -> new Owner(i, replicas, findings))
                            .toList();
            List<Reader> readers =
                    IntStream.range(0, READERS)
                            .mapToObj(i -> new Reader(i, replicas, findings))
                            .toList();
            List<Thread> threads = new ArrayList<>();
            // From here: on a busy machine three replicas take half a minute to start.
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
            owners.forEach(owner -> threads.add(goOn("owner", end, owner::once)));
            readers.forEach(reader -> threads.add(goOn("reader", end, reader::once)));
            threads.add(goOn("kills", end, faults::kill));
            threads.add(goOn("disturbances", end, faults::disturb));
            threads.add(goOn("samples", end, replicas::sample));
            for (Thread thread : threads) {
                thread.join();
            }
            // Else the run was broken off, and comparing would hide why.
            if (findings.isClean()) {
                Client client = replicas.lasting();
                owners.forEach(Owner::compareAll);
                faults.compareTracked(client);
                requireNoOtherBitmaps(client, owners);
                requireHealth(client);
                repairLeaks(client);
                replicas.requireFlat();
            }
        }
        for (String image : IMAGES) {
            var check =
                    Programs.tryRun(folder, "qemu-img", "check", file(folder, image).toString());
            findings.require(check.exitCode() == 0, () -> "qemu-img check: " + check);
        }
        try (Stream<Path> journals = Files.list(folder.resolve(".dirtymap/transactions"))) {
            List<Path> left = journals.toList();
            findings.require(left.isEmpty(), () -> "journals are left: " + left);
        }
    }

    @FunctionalInterface
    private interface Work {
        void run() throws Exception;
    }

    private Thread goOn(String name, long end, Work work) {
        return Thread.ofPlatform()
                .name(name)
                .start(() -> {
                    while (System.nanoTime() - end < 0 && findings.isClean()) {
                        try {
                            work.run();
                        } catch (Exception | Error e) {
                            findings.wrong("%s: %s".formatted(name, e), e);
                        }
                    }
                });
    }

    private void requireNoOtherBitmaps(Client client, List<Owner> owners) {
        for (String image : IMAGES) {
            Set<String> known = new TreeSet<>(Set.of(Faults.TRACKED));
            owners.forEach(owner -> known.addAll(owner.names(image)));
            Set<String> there = new TreeSet<>();
            for (JsonNode bitmap :
                    client.json("/v1/images/" + image + "/bitmaps").path("bitmaps")) {
                there.add(bitmap.path("name").asString());
            }
            findings.require(
                    there.equals(known),
                    () -> "%s has the bitmaps %s, and not %s".formatted(image, there, known));
        }
    }

    private void requireHealth(Client client) {
        JsonNode health = client.get("/actuator/health").json();
        for (Map.Entry<String, JsonNode> component : health.path("components").properties()) {
            findings.require(
                    component.getValue().path("status").asString().equals("UP"),
                    () -> "health: " + health);
        }
    }

    private void repairLeaks(Client client) throws IOException {
        for (String image : IMAGES) {
            String check = "/v1/images/" + image + "/check";
            JsonNode before = client.send("POST", check, "{}").json();
            findings.add("clusters leaked by kills", before.path("leakedClusters").asLong());
            findings.require(
                    before.path("consistent").asBoolean()
                            || before.path("leakedClusters").asLong() > 0,
                    () -> image + ": " + before);
            JsonNode after = client.send("POST", check, "{\"repair\":\"LEAKS\"}").json();
            findings.require(after.path("consistent").asBoolean(), () -> image + ": " + after);
        }
    }
}
