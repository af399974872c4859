package dev.dirtymap.images;

import java.util.ArrayList;
import java.util.Comparator;
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

    /// For how long every try failed, in nineteen of twenty runs of failures.
    long usualNanos() {
        long[] nanos = failedRuns().stream().mapToLong(FailedRun::nanos).sorted().toArray();
        return nanos.length == 0 ? 0 : nanos[(nanos.length * 19 - 1) / 20];
    }

    private FailedRun longest() {
        return failedRuns().stream()
                .max(Comparator.comparingLong(FailedRun::nanos))
                .orElse(new FailedRun(0, 0, 0));
    }

    private List<FailedRun> failedRuns() {
        List<FailedRun> runs = new ArrayList<>();
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
                runs.add(
                        new FailedRun(
                                end - first + 1,
                                attempts.get(end).start - start,
                                attempt.start - start));
                first = -1;
            }
        }
        return runs;
    }

    @Override
    public String toString() {
        FailedRun run = longest();
        double failed = attempts.size() - succeeded();
        double mean = attempts.stream().mapToLong(a -> a.end - a.start).average().orElse(0) / 1e6;
        return String.format(
                Locale.ROOT,
                "%s: %d tries of %.1f ms on average, %.0f %% failed; runs of failures: 95 %% within"
                        + " %.1f ms, longest %d tries, %.1f ms from the first to the last, %.1f ms to"
                        + " the next success",
                what,
                attempts.size(),
                mean,
                attempts.isEmpty() ? 0 : 100 * failed / attempts.size(),
                usualNanos() / 1e6,
                run.count,
                run.nanos / 1e6,
                run.untilSuccessNanos / 1e6);
    }
}
