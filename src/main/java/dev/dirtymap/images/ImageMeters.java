package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// What is counted of the work on images. The values of all labels are known here: none comes from a request or
/// from a file.
final class ImageMeters {

    /// Whose lock is waited for.
    enum Access {
        READ,
        WRITE
    }

    private final MeterRegistry registry;
    private final Timer reads;
    private final Timer writes;
    private final Timer syncs;
    private final Counter commits;
    private final Counter unknownCommits;
    private final Counter recovered;

    ImageMeters(MeterRegistry registry) {
        this.registry = registry;
        this.reads = wait(Access.READ, null);
        this.writes = wait(Access.WRITE, null);
        for (Access access : Access.values()) {
            for (Holder holder : Holder.values()) {
                wait(access, holder);
            }
        }
        this.syncs =
                Timer.builder("dirtymap.syncs")
                        .description("Waits until an image's data is on the disk")
                        .register(registry);
        this.commits = commits("made");
        this.unknownCommits = commits("unknown");
        this.recovered =
                Counter.builder("dirtymap.transactions.recovered")
                        .description("Transactions that were cut short and have been finished")
                        .register(registry);
        repairs("bitmaps");
        repairs("leaks");
    }

    private Timer wait(Access access, @Nullable Holder givenUp) {
        return Timer.builder("dirtymap.lock.wait")
                .description("Waits for the lock of an image, by whom they were in vain")
                .tag("access", access.name().toLowerCase(Locale.ROOT))
                .tag("outcome", givenUp == null ? "locked" : slug(givenUp))
                .register(registry);
    }

    private static String slug(Holder holder) {
        return holder.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private Counter commits(String outcome) {
        return Counter.builder("dirtymap.commits")
                .description("Images that were changed; unknown: the disk failed at that moment")
                .tag("outcome", outcome)
                .register(registry);
    }

    private Counter repairs(String kind) {
        return Counter.builder("dirtymap.repairs")
                .description("Repairs that were made")
                .tag("kind", kind)
                .register(registry);
    }

    /// A lock was had, or given up.
    ///
    /// @param start the `System.nanoTime` since when it was wanted
    /// @param inTheWay who has it; null if it was had
    void waited(Access access, long start, @Nullable Holder inTheWay) {
        Timer timer =
                inTheWay == null ? access == Access.READ ? reads : writes : wait(access, inTheWay);
        timer.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
    }

    /// A sync returned.
    ///
    /// @param start the `System.nanoTime` at which it began
    void synced(long start) {
        syncs.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
    }

    void committed(int images) {
        commits.increment(images);
    }

    void commitUnknown() {
        unknownCommits.increment();
    }

    void repairedBitmaps() {
        repairs("bitmaps").increment();
    }

    void repairedLeaks() {
        repairs("leaks").increment();
    }

    void recovered() {
        recovered.increment();
    }
}
