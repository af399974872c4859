package dev.dirtymap.images;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/// Keeps the readers of one image from holding QEMU's reader lock without a pause. A held reader lock makes
/// a starting virtual machine fail, and many short holds of many requests add up to one long one. So holds
/// may follow each other for [#OPEN_NANOS]; then all readers stay out for [#CLOSED_NANOS] together.
///
/// A machine that starts, and tries again, thus finds the image free within 100 ms. A lone reader with
/// pauses of its own never waits here.
final class ReaderGate {

    /// How long readers may come in one after another.
    static final long OPEN_NANOS = TimeUnit.MILLISECONDS.toNanos(40);

    /// How long one step may last from its entry at most: the last to enter leaves within
    /// [#OPEN_NANOS] plus this.
    static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(15);

    /// How long all stay out afterwards: longer than a QEMU program needs from one try to the next.
    static final long CLOSED_NANOS = TimeUnit.MILLISECONDS.toNanos(40);

    /// One gate per image, or nearly: images that share one only wait for each other now and then.
    private static final ReaderGate[] GATES = new ReaderGate[1024];

    static {
        for (int i = 0; i < GATES.length; i++) {
            GATES[i] = new ReaderGate();
        }
    }

    private int inside;
    private long stretchStart = System.nanoTime() - OPEN_NANOS;
    private long lastLeft = System.nanoTime() - CLOSED_NANOS;

    /// The gate of an image.
    static ReaderGate of(long device, long inode) {
        return GATES[(Long.hashCode(inode) * 31 + Long.hashCode(device)) & (GATES.length - 1)];
    }

    /// Waits until the caller may hold the reader lock. Must be followed by [#leave].
    ///
    /// @return the `System.nanoTime` by which the hold should be over
    long enter() {
        while (true) {
            long wait = tryEnter(System.nanoTime());
            if (wait == 0) {
                return System.nanoTime() + STEP_NANOS;
            }
            LockSupport.parkNanos(wait);
        }
    }

    /// Enters, or says how many nanoseconds to wait before the next try.
    private synchronized long tryEnter(long now) {
        if (inside == 0 && now - lastLeft >= CLOSED_NANOS) {
            stretchStart = now;
        }
        if (now - stretchStart < OPEN_NANOS) {
            inside++;
            return 0;
        }
        return inside == 0 ? lastLeft + CLOSED_NANOS - now : TimeUnit.MILLISECONDS.toNanos(1);
    }

    /// Ends a hold.
    synchronized void leave() {
        inside--;
        lastLeft = System.nanoTime();
    }
}
