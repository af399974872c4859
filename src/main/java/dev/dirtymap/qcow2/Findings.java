package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Finding.Repair;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/// Gathers findings, no more than fit an answer.
final class Findings {

    static final int MAX = 1000;

    private final List<Finding> kept = new ArrayList<>();
    private long omitted;

    /// @param message asked for only if the finding is kept
    void add(
            String structure, long offset, boolean fatal, Repair repair, Supplier<String> message) {
        if (kept.size() < MAX) {
            kept.add(new Finding(structure, offset, message.get(), fatal, repair));
        } else {
            omitted++;
        }
    }

    /// Adds one that must not be left out, since it says that others may be missing.
    void addFirst(String structure, long offset, String message) {
        if (kept.size() == MAX) {
            kept.removeLast();
            omitted++;
        }
        kept.addFirst(new Finding(structure, offset, message, false, Repair.NONE));
    }

    void add(Violation violation, Repair repair) {
        add(violation, repair, violation.toString());
    }

    void add(Violation violation, Repair repair, String message) {
        add(
                violation.rule().structure(),
                violation.fileOffset(),
                violation.rule().inQemu() == Rule.InQemu.REFUSED,
                repair,
                () -> message);
    }

    List<Finding> kept() {
        return List.copyOf(kept);
    }

    /// How many more there were.
    long omitted() {
        return omitted;
    }
}
