package dev.dirtymap.bench;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/// Many clients at once: quick ones, and slow ones beside them.
final class LoadCases {

    private static final int CLIENTS = 64;
    private static final int SLOW_CLIENTS = 1000;

    /// How much memory may grow under load and still count as flat.
    private static final long FLAT_BYTES = 32_000_000;

    /// How much the slow ones may add to what half of the others wait.
    private static final double UNHINDERED = 1.25;

    private final Bench bench;
    private final BitmapCases bitmaps;

    LoadCases(Bench bench, BitmapCases bitmaps) {
        this.bench = bench;
        this.bitmaps = bitmaps;
    }

    /// Small pages of one disk, then of several, then of one disk beside slow clients.
    ///
    /// @param disks several, each with a bitmap `b`
    void run(List<String> disks) throws IOException, InterruptedException {
        load(3, bitmaps::anyPage);
        long before = bench.service().residentBytes();
        Load alone = load(30, bitmaps::anyPage);
        long after = bench.service().residentBytes();
        bench.add(
                Row.alone(
                        "64 clients, pages of 100 at random places of one disk, 30 s",
                        "no error, memory flat",
                        "%s; RSS %s before, %s after"
                                .formatted(alone, Memory.text(before), Memory.text(after)),
                        alone.errors() == 0 && after - before < FLAT_BYTES));
        Load spread =
                load(
                        10,
                        random ->
                                Bench.extents(disks.get(random.nextInt(disks.size())))
                                        + "?limit=100");
        bench.add(
                Row.reported(
                        "the same, first pages of %d disks, 10 s".formatted(disks.size()),
                        spread.toString()));
        Load beside;
        String summary;
        boolean answered;
        long peak;
        bench.service().forgetPeak();
        try (var slow =
                new SlowClients(
                        bench.service().port(),
                        SLOW_CLIENTS,
                        Bench.extents(BitmapCases.HALF),
                        Bench.NDJSON)) {
            load(3, bitmaps::anyPage);
            beside = load(15, bitmaps::anyPage);
            peak = bench.service().peakBytes();
            summary = slow.summary();
            answered = slow.allAnswered();
        }
        bench.add(
                Row.alone(
                        "the same of one disk, 15 s, beside 1,000 clients that take 1 KiB/s of the largest list",
                        "hold up nobody: no error, median within 25 % of that without them",
                        "%s; peak RSS %s; of the 1,000: %s"
                                .formatted(beside, Memory.text(peak), summary),
                        answered
                                && beside.errors() == 0
                                && beside.millis(0.5) <= alone.millis(0.5) * UNHINDERED));
    }

    private Load load(int seconds, Function<Random, String> path) throws InterruptedException {
        return Load.run(
                bench.service().port(),
                CLIENTS,
                Duration.ofSeconds(bench.quick() ? Math.max(1, seconds / 5) : seconds),
                path);
    }
}
