package dev.dirtymap.reliability;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.ServiceProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/// Three services on one folder. The first runs from the beginning to the end, and is watched; the others are killed.
final class Replicas implements AutoCloseable {

    private static final int COUNT = 3;
    private static final int SAMPLE_MILLIS = 500;

    /// One look at the first replica.
    private record Sample(long residentBytes, long descriptors) {}

    private final Path folder;
    private final Findings findings;
    private final List<ServiceProcess> running = new ArrayList<>();
    private final List<Client> ready = new ArrayList<>();
    private final List<Sample> samples = new ArrayList<>();

    private Replicas(Path folder, Findings findings) {
        this.folder = folder;
        this.findings = findings;
    }

    static Replicas start(Path folder, Findings findings) {
        Replicas replicas = new Replicas(folder, findings);
        for (int i = 0; i < COUNT; i++) {
            ServiceProcess service = replicas.startOne();
            replicas.running.add(service);
            replicas.ready.add(service.client());
        }
        return replicas;
    }

    private ServiceProcess startOne() {
        return ServiceProcess.start(folder, Map.of(), "dirtymap.root=" + folder);
    }

    /// Any of those that were ready a moment ago.
    synchronized Client any(Random random) {
        return ready.get(random.nextInt(ready.size()));
    }

    /// The one that is never killed.
    synchronized Client lasting() {
        return ready.getFirst();
    }

    /// Kills one of those that are not watched and starts another in its place.
    void replace(Random random) {
        int index = 1 + random.nextInt(COUNT - 1);
        running.get(index).kill();
        synchronized (this) {
            ready.remove(index);
        }
        running.get(index).close();
        ServiceProcess fresh = startOne();
        // In the place where the other one is expected, to be killed next.
        running.remove(index);
        running.add(fresh);
        Client client = fresh.client();
        synchronized (this) {
            ready.add(client);
        }
    }

    void sample() throws IOException, InterruptedException {
        samples.add(look());
        Thread.sleep(SAMPLE_MILLIS);
    }

    private Sample look() throws IOException {
        long pid = running.getFirst().pid();
        long resident =
                Files.readAllLines(Path.of("/proc/%d/status".formatted(pid))).stream()
                        .filter(line -> line.startsWith("VmRSS:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                        .sum();
        try (Stream<Path> open = Files.list(Path.of("/proc/%d/fd".formatted(pid)))) {
            return new Sample(resident, open.count());
        }
    }

    /// The last quarter of the time must need no more than the second one did, and idle it holds no image.
    void requireFlat() throws IOException, InterruptedException {
        int quarter = samples.size() / 4;
        List<Sample> second = samples.subList(quarter, 2 * quarter);
        List<Sample> last = samples.subList(3 * quarter, samples.size());
        long before = second.stream().mapToLong(Sample::residentBytes).max().orElseThrow();
        long after = last.stream().mapToLong(Sample::residentBytes).max().orElseThrow();
        findings.add("memory in the second quarter, MiB", before >> 20);
        findings.add("memory in the last quarter, MiB", after >> 20);
        findings.add(
                "descriptors in the second quarter",
                second.stream().mapToLong(Sample::descriptors).max().orElseThrow());
        findings.add(
                "descriptors in the last quarter",
                last.stream().mapToLong(Sample::descriptors).max().orElseThrow());
        findings.require(
                after <= before + before / 4,
                () -> "memory grew from %d to %d bytes".formatted(before, after));
        long images = imagesHeld();
        for (int i = 0; i < 100 && images > 0; i++) {
            Thread.sleep(SAMPLE_MILLIS);
            images = imagesHeld();
        }
        findings.require(images == 0, () -> "an idle replica holds images open");
    }

    private long imagesHeld() throws IOException {
        long count = 0;
        try (Stream<Path> open =
                Files.list(Path.of("/proc/%d/fd".formatted(running.getFirst().pid())))) {
            for (Path descriptor : open.toList()) {
                try {
                    if (Files.readSymbolicLink(descriptor).toString().endsWith(".qcow2")) {
                        count++;
                    }
                } catch (IOException closed) {
                    // Meanwhile.
                }
            }
        }
        return count;
    }

    @Override
    public void close() {
        running.forEach(ServiceProcess::close);
    }
}
