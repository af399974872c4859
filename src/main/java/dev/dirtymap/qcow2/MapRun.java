package dev.dirtymap.qcow2;

/// What one file of a chain has from one place of the disk on; reused, so that a walk allocates nothing.
final class MapRun {

    static final long NOWHERE = -1;

    long start;
    long end;
    Allocation allocation = Allocation.UNALLOCATED;
    boolean zero;
    boolean compressed;

    /// Where `start` is in the file, or [#NOWHERE].
    long hostOffset = NOWHERE;

    boolean holds(long offset) {
        return offset >= start && offset < end;
    }

    void set(long from, long to, Allocation what, long hostOffset) {
        this.start = from;
        this.end = to;
        this.allocation = what;
        this.hostOffset = hostOffset;
        this.zero = what == Allocation.ZERO;
        this.compressed = false;
    }

    /// The place in the file of an offset within this run.
    long hostOffset(long offset) {
        return hostOffset == NOWHERE ? NOWHERE : hostOffset + (offset - start);
    }
}
