package dev.dirtymap.images;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/// Lets those who want to write to one image come in the order in which they asked, within this process. Only
/// the first of them asks for the locks that other processes see.
final class WriterQueue {

    /// How long after a writer the next one leaves the image to others, who ask every few milliseconds:
    /// readers, and writers of other processes. Without it one client that changes an image again and again
    /// would keep all of them out.
    private static final long COURTESY_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

    private record Key(long device, long inode) {}

    /// When a turn ended last, in `System.nanoTime`, for one image or several that share a place.
    private static final AtomicLongArray ENDED = new AtomicLongArray(1024);

    static {
        for (int i = 0; i < ENDED.length(); i++) {
            ENDED.set(i, System.nanoTime() - 3 * COURTESY_NANOS);
        }
    }

    private static final ConcurrentMap<Key, WriterQueue> QUEUES = new ConcurrentHashMap<>();

    private final Key key;
    private final ReentrantLock turn = new ReentrantLock(true);

    /// How many are in the queue, changed only within [#QUEUES].
    private int members;

    private WriterQueue(Key key) {
        this.key = key;
    }

    /// Waits for one's turn.
    ///
    /// @param deadline the `System.nanoTime` at which to give up
    /// @return whether it came; then [#leave] must follow, by the same thread
    static boolean enter(long device, long inode, long deadline) {
        WriterQueue queue =
                QUEUES.compute(
                        new Key(device, inode),
                        (key, there) -> {
                            WriterQueue one = there == null ? new WriterQueue(key) : there;
                            one.members++;
                            return one;
                        });
        boolean entered = false;
        try {
            entered = queue.await(deadline);
        } finally {
            if (!entered) {
                queue.quit();
            }
        }
        if (entered) {
            long courtesy = COURTESY_NANOS + ThreadLocalRandom.current().nextLong(COURTESY_NANOS);
            long since = System.nanoTime() - ENDED.get(place(queue.key));
            if (since < courtesy) {
                LockSupport.parkNanos(courtesy - since);
            }
        }
        return entered;
    }

    private static int place(Key key) {
        return key.hashCode() & (ENDED.length() - 1);
    }

    private boolean await(long deadline) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    long left = deadline - System.nanoTime();
                    // Unlike the one without a time, this never overtakes those who wait.
                    return turn.tryLock(Math.max(0, left), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /// Ends a turn.
    static void leave(long device, long inode) {
        WriterQueue queue = QUEUES.get(new Key(device, inode));
        if (queue == null) {
            throw new IllegalStateException("a turn ends after it began");
        }
        ENDED.set(place(queue.key), System.nanoTime());
        queue.turn.unlock();
        queue.quit();
    }

    private void quit() {
        QUEUES.computeIfPresent(key, (_, queue) -> --queue.members == 0 ? null : queue);
    }
}
