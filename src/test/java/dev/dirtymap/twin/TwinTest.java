package dev.dirtymap.twin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Server;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Sequences of operations on our image and, through QEMU, on its twin, with guest writes in between.
///
/// After each step, for each image it changed: QEMU reads the same names, granularities, flags and SHA-256 of bits
/// from both; the service lists the same; its extents of the bitmap that changed have that SHA-256; `qemu-img check`
/// and our own check find neither error nor leak. Every few steps, and after a transaction, extents of all bitmaps
/// are compared; at the end also the raw bits, and the extents with those that QEMU serves over NBD.
///
/// `-Ddirtymap.twin.sequences=N` runs N sequences a layout, `-Ddirtymap.twin.seed=S` others.
class TwinTest {

    private static final int SEQUENCES = Integer.getInteger("dirtymap.twin.sequences", 4);
    private static final long SEED = Long.getLong("dirtymap.twin.seed", 1);
    private static final int STEPS = 40;
    private static final int STEPS_A_ROUND = 10;

    /// How many sequences go on at once. Each waits most of its time: for processes and disks, and for the service,
    /// which holds an answer back until no later change of the file could be mistaken for an earlier one.
    private static final int LANES = 4;

    private static final int LEAST_OPERATIONS = 500 * SEQUENCES;

    /// Operations of all sequences, those of transactions too.
    private static final AtomicInteger OPERATIONS = new AtomicInteger();

    @TempDir private Path folder;

    @AfterAll
    static void thatWasEnough() {
        assertThat(OPERATIONS).hasValueGreaterThanOrEqualTo(LEAST_OPERATIONS);
    }

    @ParameterizedTest
    @EnumSource
    void bothAreTheSameAfterEachStep(Layout layout) throws Exception {
        try (ExecutorService lanes = Executors.newFixedThreadPool(LANES)) {
            List<Future<Integer>> sequences =
                    LongStream.range(SEED, SEED + SEQUENCES)
                            .mapToObj(seed -> lanes.submit(() -> run(layout, seed)))
                            .toList();
            for (Future<Integer> sequence : sequences) {
                OPERATIONS.addAndGet(sequence.get());
            }
        }
    }

    private int run(Layout layout, long seed) throws IOException {
        Path twin = Files.createDirectory(folder.resolve(Long.toString(seed)));
        try (Twins twins = new Twins(layout, seed, Server.shared(), twin)) {
            try {
                twins.start();
                for (int step = 1; step <= STEPS; step++) {
                    twins.step();
                    if (step % STEPS_A_ROUND == 0) {
                        twins.compareAll();
                    }
                }
                twins.end();
            } catch (Exception | AssertionError e) {
                throw new AssertionError(twins.story(), e);
            }
            return twins.operations();
        }
    }
}
