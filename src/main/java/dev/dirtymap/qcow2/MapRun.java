package dev.dirtymap.qcow2;

/// What one file of a chain has from one place of the disk on; reused, so that a walk allocates nothing. What it
/// has is a number and no reference: to store one costs more than all the rest of finding a run.
final class MapRun {

    static final long NOWHERE = -1;

    static final int COMPRESSED = 1;
    static final int ZEROS = 1 << 1;
    static final int DATA = 0;

    /// Zeros that need no data, and their flag.
    static final int ZERO = 1 << 2 | ZEROS;

    static final int UNALLOCATED = 2 << 2;

    /// How many bits an origin has.
    static final int ORIGIN_BITS = 4;

    private static final Allocation[] ALLOCATIONS = {
        Allocation.DATA, Allocation.ZERO, Allocation.UNALLOCATED
    };

    long start;
    long end;

    /// An [Allocation], whether zeros are read, and whether it is compressed.
    int origin = UNALLOCATED;

    /// Where `start` is in the file, or [#NOWHERE].
    long hostOffset = NOWHERE;

    static Allocation allocation(int origin) {
        return ALLOCATIONS[origin >>> 2 & 3];
    }

    boolean holds(long offset) {
        return offset >= start && offset < end;
    }

    void set(long from, long to, int what, long hostOffset) {
        this.start = from;
        this.end = to;
        this.origin = what;
        this.hostOffset = hostOffset;
    }

    void copy(MapRun other) {
        set(other.start, other.end, other.origin, other.hostOffset);
    }

    /// The place in the file of an offset within this run.
    long hostOffset(long offset) {
        return hostOffset == NOWHERE ? NOWHERE : hostOffset + (offset - start);
    }
}
