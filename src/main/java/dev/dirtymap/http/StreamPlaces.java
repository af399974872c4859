package dev.dirtymap.http;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.stereotype.Component;

/// How many streams are sent at once. Each holds some bits, the buffers of its connection and a stack for as
/// long as its client likes, so the heap says how many there may be.
///
/// Slow clients keep nobody out: while others ask for a place, a stream that takes less than
/// [#LEAST_BYTES_A_SECOND] loses its own.
@Component
class StreamPlaces {

    /// What the service itself holds of the heap.
    private static final long BASE_BYTES = 32 << 20;

    /// A stream holds 170 KiB, its connection included, and one in eight twice as much and more; requests that are no
    /// streams need as much again. More streams than this fill the older part of the heap, and the collector, which has
    /// nothing to collect, takes all the time there is.
    private static final long BYTES = 1 << 20;

    /// Large pieces are quicker for bitmaps of many megabytes, and most of what a stream holds.
    private static final int ONE_LARGE_IN = 8;

    /// Whoever waits has the buffers of a connection already.
    private static final int ONE_WAITING_IN = 8;

    private static final long WAIT_MILLIS = 1000;
    static final long LEAST_BYTES_A_SECOND = 16 << 10;

    /// For how long a client is watched before it counts as slow.
    private static final long WATCH_NANOS = TimeUnit.SECONDS.toNanos(10);

    /// For how long after a request that found no place there is a shortage.
    private static final long SHORTAGE_NANOS = TimeUnit.SECONDS.toNanos(30);

    /// How long a stream may take at all. A client that takes no byte is cut off sooner, by the connector.
    private static final long STREAM_NANOS = TimeUnit.HOURS.toNanos(1);

    private final int count;
    private final long watchNanos;
    private final Semaphore places;
    private final Semaphore larges;
    private volatile long shortSince = System.nanoTime() - SHORTAGE_NANOS;

    @Autowired
    StreamPlaces(MeterRegistry registry) {
        this(
                Math.clamp((Runtime.getRuntime().maxMemory() - BASE_BYTES) / BYTES, 16, 1 << 14),
                WATCH_NANOS);
        Gauge.builder("dirtymap.streams", () -> count - places.availablePermits())
                .description("Streams that are being sent")
                .register(registry);
        Gauge.builder("dirtymap.streams.max", () -> count)
                .description("Streams that may be sent at once")
                .register(registry);
    }

    /// @param count how many places there are
    /// @param watchNanos for how long a client is watched before it counts as slow
    StreamPlaces(int count, long watchNanos) {
        this.count = count;
        this.watchNanos = watchNanos;
        this.places = new Semaphore(count, true);
        this.larges = new Semaphore(count / ONE_LARGE_IN);
    }

    /// Waits for a place, but not long.
    ///
    /// @throws ProblemException if there is none
    Place take() {
        if (!places.tryAcquire()) {
            shortSince = System.nanoTime();
            if (places.getQueueLength() >= count / ONE_WAITING_IN || !awaitPlace()) {
                throw new ProblemException(
                        ProblemType.OVERLOADED,
                        "%d streams are being sent already".formatted(count));
            }
        }
        return new Place(larges.tryAcquire());
    }

    private boolean awaitPlace() {
        try {
            return places.tryAcquire(WAIT_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private boolean isShort() {
        return System.nanoTime() - shortSince < SHORTAGE_NANOS;
    }

    /// One place, to be closed.
    final class Place implements AutoCloseable {

        private final boolean large;
        private final long start = System.nanoTime();

        private long watchedSince = start;
        private long watchedBytes;
        private boolean slow;
        private boolean late;

        private Place(boolean large) {
            this.large = large;
        }

        /// Whether there is memory for large pieces of bits.
        boolean isLarge() {
            return large;
        }

        /// What to write the stream to, some kilobytes at a time.
        OutputStream timed(OutputStream out) {
            return new FilterOutputStream(out) {
                @Override
                public void write(byte[] bytes, int offset, int length) throws IOException {
                    out.write(bytes, offset, length);
                    long now = System.nanoTime();
                    watchedBytes += length;
                    if (now - watchedSince >= watchNanos) {
                        long least = LEAST_BYTES_A_SECOND * (now - watchedSince);
                        slow = watchedBytes < least / TimeUnit.SECONDS.toNanos(1);
                        watchedSince = now;
                        watchedBytes = 0;
                    }
                    late = now - start >= STREAM_NANOS;
                }
            };
        }

        /// @throws ProblemException if the stream has to end here
        void requireStay() {
            if (late) {
                throw new ProblemException(
                        ProblemType.OVERLOADED, "the client took more than an hour for one stream");
            }
            if (slow && isShort()) {
                throw new ProblemException(
                        ProblemType.OVERLOADED,
                        "others wait, and the client took less than %d bytes a second"
                                .formatted(LEAST_BYTES_A_SECOND));
            }
        }

        @Override
        public void close() {
            if (large) {
                larges.release();
            }
            places.release();
        }
    }
}
