package dev.dirtymap.reliability;

import dev.dirtymap.http.Client;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/// What goes wrong: replicas are killed, the disk is full, QEMU takes images and writes to them.
final class Faults {

    /// A bitmap of each image that QEMU keeps: every byte that it wrote has to be dirty in it in the end.
    static final String TRACKED = "tracked";

    /// QEMU's writes are small, and anywhere.
    private static final int GRANULES = 1 << 20;

    private final Path folder;
    private final Replicas replicas;
    private final Findings findings;
    private final Random kills = new Random(ReliabilityRun.SEED);
    private final Random random = new Random(ReliabilityRun.SEED + 1);
    private final Map<String, BitSet> written = new HashMap<>();

    Faults(Path folder, Replicas replicas, Findings findings) {
        this.folder = folder;
        this.replicas = replicas;
        this.findings = findings;
    }

    void kill() throws InterruptedException {
        Thread.sleep(1000 + kills.nextInt(4000));
        replicas.replace(kills);
        findings.count("replicas killed");
    }

    /// One after the other: where the disk is full, QEMU loses the bitmaps that it keeps.
    void disturb() throws IOException, InterruptedException {
        Thread.sleep(200 + random.nextInt(800));
        if (random.nextInt(6) == 0) {
            fillDisk();
        } else {
            letQemuWrite();
        }
    }

    private void fillDisk() throws IOException, InterruptedException {
        Path filler = folder.resolve("filler");
        try (OutputStream out = Files.newOutputStream(filler)) {
            byte[] piece = new byte[4096];
            while (true) {
                out.write(piece);
            }
        } catch (IOException full) {
            findings.count("times the disk was full");
        }
        Thread.sleep(1500);
        Files.delete(filler);
    }

    /// Holds the image for some time, as a machine does.
    private void letQemuWrite() {
        String image = ReliabilityRun.IMAGES.get(random.nextInt(ReliabilityRun.IMAGES.size()));
        int granule = random.nextInt(GRANULES);
        ProgramResult result =
                Programs.tryRun(
                        folder,
                        "qemu-io",
                        "-c",
                        "write -P 7 %d 512".formatted(granule * Owner.GRANULARITY),
                        "-c",
                        "sleep %d".formatted(random.nextInt(600)),
                        ReliabilityRun.file(folder, image).toString());
        String said = result.stdout() + result.stderr();
        if (said.contains("wrote 512/512") && !said.contains("Lost persistent bitmaps")) {
            Objects.requireNonNull(written.computeIfAbsent(image, _ -> new BitSet())).set(granule);
            findings.count("times QEMU took an image");
        } else if (said.contains("lock")) {
            findings.count("times QEMU found an image locked");
        } else {
            findings.wrong("qemu-io: " + result);
        }
    }

    void compareTracked(Client client) {
        written.forEach((image, granules) -> {
            BitSet there = Owner.bits(client, image, TRACKED);
            BitSet lost = (BitSet) granules.clone();
            lost.andNot(there);
            findings.require(
                    lost.isEmpty(),
                    () -> "QEMU wrote to granules of %s that are clean: %s".formatted(image, lost));
        });
    }
}
