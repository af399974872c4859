package dev.dirtymap.qcow2;

/// Neighbouring clusters with the same wrong refcount.
final class Mismatch {

    final long first;
    final boolean readable;
    final long refcount;
    final int references;
    final boolean flagged;
    long count;

    Mismatch(long first, boolean readable, long refcount, int references, boolean flagged) {
        this.flagged = flagged;
        this.first = first;
        this.readable = readable;
        this.refcount = refcount;
        this.references = references;
    }

    boolean continues(
            long cluster,
            boolean otherReadable,
            long otherRefcount,
            int otherReferences,
            boolean otherFlagged) {
        return cluster == first + count
                && otherReadable == readable
                && otherFlagged == flagged
                && (!readable || (otherRefcount == refcount && otherReferences == references));
    }
}
