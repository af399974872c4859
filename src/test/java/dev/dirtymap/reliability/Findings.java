package dev.dirtymap.reliability;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/// What a run has counted, and what was wrong.
final class Findings {

    private static final int MOST_SHOWN = 10;

    private final Map<String, AtomicLong> counts = new ConcurrentSkipListMap<>();
    private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
    private final long start = System.nanoTime();

    void count(String what) {
        add(what, 1);
    }

    void add(String what, long number) {
        counts.computeIfAbsent(what, _ -> new AtomicLong()).addAndGet(number);
    }

    /// Keeps the largest.
    void most(String what, long number) {
        counts.computeIfAbsent(what, _ -> new AtomicLong()).accumulateAndGet(number, Math::max);
    }

    long get(String what) {
        AtomicLong count = counts.get(what);
        return count == null ? 0 : count.get();
    }

    void wrong(String what) {
        wrong.add(what);
    }

    void wrong(String what, Throwable cause) {
        StringWriter text = new StringWriter();
        cause.printStackTrace(new PrintWriter(text));
        wrong.add(what + System.lineSeparator() + text);
    }

    void require(boolean right, Supplier<String> otherwise) {
        if (!right) {
            wrong(otherwise.get());
        }
    }

    boolean isClean() {
        return wrong.isEmpty();
    }

    /// Writes all of it as a table.
    ///
    /// @return whether nothing was wrong
    boolean tell(PrintStream out) {
        out.printf("| what | |%n| --- | ---: |%n");
        out.printf("| seconds | %d |%n", (System.nanoTime() - start) / 1_000_000_000);
        counts.forEach((what, count) -> out.printf("| %s | %,d |%n", what, count.get()));
        wrong.stream().limit(MOST_SHOWN).forEach(what -> out.println("WRONG: " + what));
        if (wrong.isEmpty()) {
            out.println("nothing was lost");
        }
        return wrong.isEmpty();
    }
}
