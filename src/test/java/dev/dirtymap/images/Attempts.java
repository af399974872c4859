package dev.dirtymap.images;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// When a program tried to take an image for writing, one after the other, and whether it could.
final class Attempts {

    /// One try, in `System.nanoTime`.
    private record Attempt(long start, long end, boolean succeeded) {}

    /// Tries that failed one after the other.
    ///
    /// @param nanos from the first to the last of them. What passes from there to the next try is the program's
    ///     own time to start, or the scheduler's
    /// @param untilSuccessNanos from the first of them to the next that succeeded, or to the last try of all
    private record FailedRun(int count, long nanos, long untilSuccessNanos) {}

    private final String what;
    private final List<Attempt> attempts = new ArrayList<>();

    Attempts(String what) {
        this.what = what;
    }

    @FunctionalInterface
    interface Try {
        boolean succeeds() throws Exception;
    }

    void record(Try one) throws Exception {
        long start = System.nanoTime();
        boolean succeeded = one.succeeds();
        attempts.add(new Attempt(start, System.nanoTime(), succeeded));
    }

    long succeeded() {
        return attempts.stream().filter(Attempt::succeeded).count();
    }

    /// For how long at most every try failed.
    long longestNanos() {
        return longest().nanos;
    }

    private FailedRun longest() {
        FailedRun longest = new FailedRun(0, 0, 0);
        int first = -1;
        for (int i = 0; i < attempts.size(); i++) {
            Attempt attempt = attempts.get(i);
            boolean last = i == attempts.size() - 1;
            if (!attempt.succeeded && first < 0) {
                first = i;
            }
            if (first >= 0 && (attempt.succeeded || last)) {
                int end = attempt.succeeded ? i - 1 : i;
                long start = attempts.get(first).start;
                FailedRun run =
                        new FailedRun(
                                end - first + 1,
                                attempts.get(end).start - start,
                                attempt.start - start);
                if (run.nanos >= longest.nanos) {
                    longest = run;
                }
                first = -1;
            }
        }
        return longest;
    }

    @Override
    public String toString() {
        FailedRun run = longest();
        double failed = attempts.size() - succeeded();
        double mean = attempts.stream().mapToLong(a -> a.end - a.start).average().orElse(0) / 1e6;
        return String.format(
                Locale.ROOT,
                "%s: %d tries of %.1f ms on average, %.0f %% failed; longest run of failures: %d"
                        + " tries, %.1f ms from the first to the last, %.1f ms to the next success",
                what,
                attempts.size(),
                mean,
                attempts.isEmpty() ? 0 : 100 * failed / attempts.size(),
                run.count,
                run.nanos / 1e6,
                run.untilSuccessNanos / 1e6);
    }
}
