package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.Undisturbed;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The rule that keeps many short holds from adding up to a long one.
@Undisturbed
class ReaderGateTest {

    private static final long RUN_NANOS = TimeUnit.SECONDS.toNanos(2);

    /// How late a thread of a loaded machine may wake up, in a hold.
    private static final long HOLD_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    /// One stay inside.
    private record Hold(long entered, long left) {}

    /// How much longer than held an image has to be left alone by readers that need no pause.
    private static final int IDLE_PER_HELD = 4;

    /// Time in which somebody was inside, without a pause.
    ///
    /// @param heldAtLastEntry nanoseconds as the gate counts them: held, less a part of those in between
    private record Stretch(long start, long heldAtLastEntry, long held, long end) {}

    @ParameterizedTest(name = "{0} readers, pausing {1} us, seed {2}")
    @CsvSource({"1, 0, 1", "2, 0, 2", "8, 0, 3", "16, 500, 4", "32, 5000, 5"})
    void manyReadersTogetherStayOutAfterATime(int readers, int pauseMicros, int seed)
            throws InterruptedException {
        List<Stretch> stretches = stretches(holds(new ReaderGate(), readers, pauseMicros, seed));
        long pauses = 0;
        long shortestPause = Long.MAX_VALUE;
        long longestHeld = 0;
        for (int i = 0; i < stretches.size(); i++) {
            Stretch stretch = stretches.get(i);
            longestHeld = Math.max(longestHeld, stretch.heldAtLastEntry);
            // Where a busy machine let nobody run, the gate owes no pause.
            if (stretch.held >= ReaderGate.OPEN_NANOS && i + 1 < stretches.size()) {
                pauses++;
                shortestPause = Math.min(shortestPause, stretches.get(i + 1).start - stretch.end);
            }
        }
        System.out.printf(
                "%d readers, pause %d us: %d stretches, %d pauses, held at most %.1f ms at the last"
                        + " entry, shortest pause %.1f ms%n",
                readers,
                pauseMicros,
                stretches.size(),
                pauses,
                longestHeld / 1e6,
                shortestPause / 1e6);
        assertThat(stretches.size()).isGreaterThan(10);
        assertThat(pauses).isPositive();
        // A thread may be held up between the gate and its look at the clock, but a step ends in
        // time.
        assertThat(longestHeld)
                .as("held at the last entry into a stretch")
                .isLessThan(ReaderGate.OPEN_NANOS + ReaderGate.STEP_NANOS);
        assertThat(shortestPause)
                .as("the pause after a stretch")
                .isGreaterThanOrEqualTo(ReaderGate.CLOSED_NANOS);
    }

    /// Pauses much shorter than the gate's own are no pauses: a program would have to hit them.
    private static List<Stretch> stretches(List<Hold> holds) {
        List<Stretch> stretches = new ArrayList<>();
        long start = holds.getFirst().entered;
        long end = start;
        long held = 0;
        long heldAtLastEntry = 0;
        for (Hold hold : holds) {
            long idle = hold.entered - end;
            if (idle >= ReaderGate.CLOSED_NANOS / 2) {
                stretches.add(new Stretch(start, heldAtLastEntry, held, end));
                start = hold.entered;
                held = 0;
            } else if (idle > 0) {
                held = Math.max(0, held - idle / IDLE_PER_HELD);
            }
            heldAtLastEntry = held - Math.max(0, end - hold.entered);
            held += Math.max(0, hold.left - Math.max(end, hold.entered));
            end = Math.max(end, hold.left);
        }
        stretches.add(new Stretch(start, heldAtLastEntry, held, end));
        return stretches;
    }

    private static List<Hold> holds(ReaderGate gate, int readers, int pauseMicros, int seed)
            throws InterruptedException {
        Queue<Hold> holds = new ConcurrentLinkedQueue<>();
        AtomicBoolean done = new AtomicBoolean();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < readers; i++) {
            Random random = new Random(seed * 100L + i);
            threads.add(
                    Thread.ofVirtual()
                            .start(() -> {
                                while (!done.get()) {
                                    enter(gate);
                                    // Seen from inside a hold is shorter than it is.
                                    long entered = System.nanoTime();
                                    LockSupport.parkNanos(random.nextLong(HOLD_NANOS));
                                    holds.add(new Hold(entered, System.nanoTime()));
                                    gate.leave();
                                    if (pauseMicros > 0) {
                                        LockSupport.parkNanos(1000L * random.nextInt(pauseMicros));
                                    }
                                }
                            }));
        }
        Thread.sleep(TimeUnit.NANOSECONDS.toMillis(RUN_NANOS));
        done.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
        return holds.stream().sorted(Comparator.comparingLong(Hold::entered)).toList();
    }

    private static void enter(ReaderGate gate) {
        assertThat(gate.enter(System.nanoTime() + RUN_NANOS)).isTrue();
    }

    @Test
    void whoeverWaitsTooLongIsNotInside() throws InterruptedException {
        ReaderGate gate = new ReaderGate();
        enter(gate);
        Thread.sleep(TimeUnit.NANOSECONDS.toMillis(ReaderGate.OPEN_NANOS) + 20);
        long start = System.nanoTime();
        assertThat(gate.enter(start + TimeUnit.MILLISECONDS.toNanos(60))).isFalse();
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(60_000_000);
        gate.leave();
        // Had the one that gave up been counted, nobody could enter any more.
        enter(gate);
        gate.leave();
    }

    @Test
    void aLoneReaderWithPausesOfItsOwnNeverWaits() throws InterruptedException {
        ReaderGate gate = new ReaderGate();
        long longest = 0;
        int waits = 0;
        for (int i = 0; i < 20; i++) {
            long start = System.nanoTime();
            enter(gate);
            long waited = System.nanoTime() - start;
            longest = Math.max(longest, waited);
            waits += waited > TimeUnit.MILLISECONDS.toNanos(5) ? 1 : 0;
            gate.leave();
            Thread.sleep(TimeUnit.NANOSECONDS.toMillis(ReaderGate.CLOSED_NANOS) + 5);
        }
        System.out.printf("longest entry of a lone reader: %.3f ms%n", longest / 1e6);
        // The machine may stop any thread at any time, but not each time.
        assertThat(waits).isLessThanOrEqualTo(1);
    }

    @Test
    void aLongHoldKeepsTheOthersOutUntilThePauseIsOver() throws InterruptedException {
        ReaderGate gate = new ReaderGate();
        enter(gate);
        Thread.sleep(TimeUnit.NANOSECONDS.toMillis(ReaderGate.OPEN_NANOS) + 20);
        long[] entered = new long[1];
        Thread other =
                Thread.ofPlatform()
                        .start(() -> {
                            enter(gate);
                            entered[0] = System.nanoTime();
                            gate.leave();
                        });
        Thread.sleep(30);
        long left = System.nanoTime();
        gate.leave();
        other.join();
        assertThat(entered[0] - left).isGreaterThanOrEqualTo(ReaderGate.CLOSED_NANOS);
    }

    /// A list that is sent while it is read holds the lock now and then, for very short times.
    @Test
    void shortHoldsFarApartNeverWait() throws InterruptedException {
        ReaderGate gate = new ReaderGate();
        int waits = 0;
        long end = System.nanoTime() + RUN_NANOS;
        while (System.nanoTime() < end) {
            long start = System.nanoTime();
            enter(gate);
            waits += System.nanoTime() - start > TimeUnit.MILLISECONDS.toNanos(5) ? 1 : 0;
            long entered = System.nanoTime();
            LockSupport.parkNanos(100_000);
            gate.leave();
            LockSupport.parkNanos(10 * (System.nanoTime() - entered));
        }
        // The machine may stop any thread at any time, but not each time.
        assertThat(waits).isLessThanOrEqualTo(2);
    }

    @Test
    void imagesHaveGatesOfTheirOwn() {
        assertThat(ReaderGate.of(1, 2)).isSameAs(ReaderGate.of(1, 2));
        assertThat(ReaderGate.of(1, 2)).isNotSameAs(ReaderGate.of(1, 3));
        assertThat(ReaderGate.of(1, 2)).isNotSameAs(ReaderGate.of(2, 2));
    }
}
