package dev.dirtymap.bench;

import java.util.Locale;

/// One line of the table.
///
/// @param what the case
/// @param goal what it has to reach; empty if it is only reported
/// @param ours what we need
/// @param peer who else does it, and what that needs; empty if nobody
/// @param ratio how many times quicker we are; empty if there is nobody
record Row(String what, String goal, String ours, String peer, String ratio, Verdict verdict) {

    enum Verdict {
        MET("met"),
        MISSED("**MISSED**"),
        REPORTED("reported");

        private final String text;

        Verdict(String text) {
            this.text = text;
        }

        static Verdict of(boolean met) {
            return met ? MET : MISSED;
        }
    }

    /// A case with a peer, whose goal is a ratio and perhaps more.
    static Row against(String what, String goal, Runs ours, String peer, Runs theirs, boolean met) {
        return new Row(
                what,
                goal,
                ours.toString(),
                "%s: %s".formatted(peer, theirs),
                times(ours.timesFasterThan(theirs)),
                Verdict.of(met));
    }

    /// A case with a goal of its own.
    static Row alone(String what, String goal, String ours, boolean met) {
        return new Row(what, goal, ours, "", "", Verdict.of(met));
    }

    /// A case without a goal.
    static Row reported(String what, String ours) {
        return new Row(what, "", ours, "", "", Verdict.REPORTED);
    }

    static String times(double ratio) {
        return String.format(Locale.ROOT, "%s×", Runs.digits(ratio));
    }

    String markdown() {
        return "| %s | %s | %s | %s | %s | %s |%n"
                .formatted(what, goal, ours, peer, ratio, verdict.text);
    }
}
