package dev.dirtymap.images;

import dev.dirtymap.posix.FileStat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/// Keeps the readers of one image from holding QEMU's reader lock without a pause. A held reader lock makes
/// a starting virtual machine fail, and many short holds of many requests add up to one long one. So readers
/// may hold it for [#OPEN_NANOS] together; then all stay out, for [#CLOSED_NANOS] at least and until the wall
/// clock is at a multiple of [#PERIOD_NANOS]. That makes the busy times of several processes of this service
/// fall together, and their pauses too.
///
/// Time without a hold is counted against time with one: readers that leave the image alone for more than
/// [#IDLE_PER_HELD] times as long as they hold it never wait here.
///
/// A machine that starts, and tries again, thus finds the image free within 100 ms.
final class ReaderGate {

    /// How long readers may hold the lock together before they have to pause.
    static final long OPEN_NANOS = TimeUnit.MILLISECONDS.toNanos(40);

    /// How long one step may last from its entry at most: the last to enter leaves within
    /// [#OPEN_NANOS] plus this.
    static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(15);

    /// How long all stay out afterwards: longer than a QEMU program needs from one try to the next.
    static final long CLOSED_NANOS = TimeUnit.MILLISECONDS.toNanos(40);

    /// From one busy time to the next when readers never cease to come.
    static final long PERIOD_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /// How much longer than held the image is left alone by readers that need no other pause: a machine that
    /// starts then meets a hold once in five times at most.
    private static final long IDLE_PER_HELD = 4;

    private static final long GLANCE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /// One gate per image, or nearly: images that share one only wait for each other now and then.
    private static final ReaderGate[] GATES = new ReaderGate[1024];

    static {
        for (int i = 0; i < GATES.length; i++) {
            GATES[i] = new ReaderGate();
        }
    }

    /// No monitor: JDK 25 leaves virtual threads that waited for one aside while others keep coming, for seconds.
    private final Lock lock = new ReentrantLock();

    private int inside;

    /// When the first of those inside came in.
    private long heldSince;

    /// Time held up to the last leave, less what was made up for since.
    private long held;

    private long lastLeft = System.nanoTime() - CLOSED_NANOS;

    /// Whether readers have to stay out until their pause is over.
    private boolean closed;

    /// Whether somebody found the gate closed: then the next busy time starts with the clock.
    private boolean crowded;

    /// The gate of an image.
    static ReaderGate of(long device, long inode) {
        return GATES[index(device, inode)];
    }

    /// The gates of several images, each once, in an order that is the same for everybody.
    static List<ReaderGate> of(List<FileStat> files) {
        return files.stream()
                .map(file -> index(file.device(), file.inode()))
                .distinct()
                .sorted()
                .map(index -> GATES[index])
                .toList();
    }

    private static int index(long device, long inode) {
        return (Long.hashCode(inode) * 31 + Long.hashCode(device)) & (GATES.length - 1);
    }

    /// Waits until the caller may hold the reader lock.
    ///
    /// @param deadline the `System.nanoTime` at which to give up
    /// @return whether the caller may; then [#leave] must follow, within [#STEP_NANOS]
    boolean enter(long deadline) {
        long wait = tryEnter();
        while (wait > 0) {
            if (System.nanoTime() - deadline >= 0) {
                return false;
            }
            LockSupport.parkNanos(wait);
            wait = tryEnter();
        }
        return true;
    }

    /// Enters and returns 0, or says how many nanoseconds to wait before the next try.
    private long tryEnter() {
        lock.lock();
        try {
            // Taken under the lock: a thread that was held up before it must not act on an old
            // time.
            return tryEnter(System.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    private long tryEnter(long now) {
        closed |= heldAt(now) >= OPEN_NANOS;
        if (closed) {
            long wait = inside > 0 ? GLANCE_NANOS : untilNextStretch(now);
            if (wait > 0) {
                crowded = true;
                return wait;
            }
            closed = false;
            crowded = false;
            held = 0;
        }
        if (inside == 0) {
            held = heldAt(now);
            heldSince = now;
        }
        inside++;
        return 0;
    }

    private long heldAt(long now) {
        return inside > 0
                ? held + now - heldSince
                : Math.max(0, held - (now - lastLeft) / IDLE_PER_HELD);
    }

    private long untilNextStretch(long now) {
        long rested = now - lastLeft;
        if (rested < CLOSED_NANOS) {
            return CLOSED_NANOS - rested;
        }
        return crowded && rested < CLOSED_NANOS + PERIOD_NANOS ? nanosToNextPeriod() : 0;
    }

    /// How long until the wall clock is at the next multiple of the period; 0 within a glance after one.
    private static long nanosToNextPeriod() {
        long phase = TimeUnit.MILLISECONDS.toNanos(System.currentTimeMillis()) % PERIOD_NANOS;
        return phase < OPEN_NANOS / 4 ? 0 : PERIOD_NANOS - phase;
    }

    /// Ends a hold.
    void leave() {
        lock.lock();
        try {
            inside--;
            if (inside == 0) {
                lastLeft = System.nanoTime();
                held += lastLeft - heldSince;
                closed |= held >= OPEN_NANOS;
            }
        } finally {
            lock.unlock();
        }
    }
}
