package dev.dirtymap.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// What the counted runs of one thing took, in seconds.
final class Runs {

    private final List<Double> seconds = new ArrayList<>();

    void add(double run) {
        seconds.add(run);
    }

    int count() {
        return seconds.size();
    }

    double median() {
        return quantile(0.5);
    }

    /// The run below which a part of them lies.
    ///
    /// @param part 0 is the quickest, 1 the slowest
    double quantile(double part) {
        List<Double> sorted = seconds.stream().sorted().toList();
        if (sorted.isEmpty()) {
            throw new IllegalStateException("nothing was run");
        }
        return sorted.get((int) Math.min(sorted.size() - 1L, (long) (part * sorted.size())));
    }

    /// How many times quicker these are than others.
    double timesFasterThan(Runs others) {
        return others.median() / median();
    }

    /// The median, and from the quickest to the slowest.
    @Override
    public String toString() {
        double unit = median() < 1 ? 1e3 : 1;
        return String.format(
                Locale.ROOT,
                "%s %s (%s–%s)",
                digits(median() * unit),
                unit == 1 ? "s" : "ms",
                digits(quantile(0) * unit),
                digits(quantile(1) * unit));
    }

    /// Three digits or so.
    static String digits(double value) {
        String format = value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f";
        return String.format(Locale.ROOT, format, value);
    }
}
