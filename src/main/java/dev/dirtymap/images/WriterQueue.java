package dev.dirtymap.images;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/// Lets those who want to write to one image come in the order in which they asked, within this process. Only
/// the first of them asks for the locks that other processes see.
final class WriterQueue {

    /// How long a writer that follows another one leaves the image to others, who ask every few milliseconds:
    /// readers, and writers of other processes.
    private static final long COURTESY_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

    private record Key(long device, long inode) {}

    private static final Map<Key, WriterQueue> QUEUES = new HashMap<>();

    private final Key key;
    private final ReentrantLock turn = new ReentrantLock(true);

    /// How many are in the queue, guarded by [#QUEUES].
    private int members;

    private WriterQueue(Key key) {
        this.key = key;
    }

    /// Waits for one's turn.
    ///
    /// @param deadline the `System.nanoTime` at which to give up
    /// @return whether it came; then [#leave] must follow, by the same thread
    static boolean enter(long device, long inode, long deadline) {
        WriterQueue queue;
        synchronized (QUEUES) {
            queue = QUEUES.computeIfAbsent(new Key(device, inode), WriterQueue::new);
            queue.members++;
        }
        boolean entered = false;
        boolean waited = !queue.turn.tryLock();
        try {
            entered = !waited || queue.await(deadline);
        } finally {
            if (!entered) {
                queue.quit();
            }
        }
        if (waited && entered) {
            LockSupport.parkNanos(
                    COURTESY_NANOS + ThreadLocalRandom.current().nextLong(COURTESY_NANOS));
        }
        return entered;
    }

    private boolean await(long deadline) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    long left = deadline - System.nanoTime();
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
        WriterQueue queue;
        synchronized (QUEUES) {
            queue = QUEUES.get(new Key(device, inode));
        }
        if (queue == null) {
            throw new IllegalStateException("a turn ends after it began");
        }
        queue.turn.unlock();
        queue.quit();
    }

    private void quit() {
        synchronized (QUEUES) {
            members--;
            if (members == 0) {
                QUEUES.remove(key);
            }
        }
    }
}
