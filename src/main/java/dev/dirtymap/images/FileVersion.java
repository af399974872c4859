package dev.dirtymap.images;

import dev.dirtymap.posix.FileStat;
import java.util.concurrent.TimeUnit;

/// Which content of which file: equal as long as nobody changed the file, provided it had settled
/// ([#nanosToSettle]) when it was taken.
///
/// The device number is left out on purpose: it differs between hosts that share a file system, and a
/// cursor must work on each of them.
///
/// @param inode the file's number on its file system
/// @param size in bytes
/// @param modifiedNanos last change of content, in nanoseconds since the epoch
/// @param changedNanos last change of content or attributes; no program can set it
public record FileVersion(long inode, long size, long modifiedNanos, long changedNanos) {

    /// Linux stamps changes with a clock that stands still for up to 10 ms (one tick at 100 Hz): a second
    /// change within the same tick would not show. Twice that is safe.
    static final long SETTLE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    /// How far the clock of a file server may be from ours before a change time that looks old may be new.
    static final long SKEW_NANOS = TimeUnit.SECONDS.toNanos(2);

    static FileVersion of(FileStat stat) {
        return new FileVersion(
                stat.inode(), stat.size(), stat.modifiedNanos(), stat.changedNanos());
    }

    /// How long to wait until every later change must show, in nanoseconds; 0 or less if that is so now. A
    /// change time long past settles it; a recent one, or one ahead of our clock, only once it has been seen
    /// to stand for a while.
    ///
    /// @param seenNanos how long this very version has been seen
    long nanosToSettle(long seenNanos) {
        if (isPast(System.currentTimeMillis())) {
            return 0;
        }
        // Some file systems count whole seconds.
        boolean coarse = changedNanos % TimeUnit.SECONDS.toNanos(1) == 0;
        return (coarse ? SKEW_NANOS : SETTLE_NANOS) - seenNanos;
    }

    /// Whether the change time lies so far back that every change from now on has a later one.
    ///
    /// @param nowMillis milliseconds since the epoch
    boolean isPast(long nowMillis) {
        return TimeUnit.MILLISECONDS.toNanos(nowMillis) - changedNanos >= SKEW_NANOS;
    }
}
