package dev.dirtymap.qcow2;

/// Consecutive runs of the map, as many as fit; reused from piece to piece.
public final class MapPiece {

    private final long[] starts;
    private final long[] hostOffsets;

    /// Depth, and below it the origin of a [MapRun].
    private final int[] origins;

    private int count;
    private long start;
    private long end;
    private long limit = Long.MAX_VALUE;

    /// @param capacity how many runs to hold at most, at least 1
    public MapPiece(int capacity) {
        this.starts = new long[capacity];
        this.hostOffsets = new long[capacity];
        this.origins = new int[capacity];
    }

    /// How many runs there are.
    public int count() {
        return count;
    }

    /// The first byte of the disk that this piece speaks for.
    public long start() {
        return start;
    }

    /// The byte after the last.
    public long end() {
        return end;
    }

    /// One run; the first may go on from the piece before, and the last into the next.
    public MapExtent get(int index) {
        int origin = origins[index];
        long from = starts[index];
        long to = index + 1 < count ? starts[index + 1] : end;
        return new MapExtent(
                from,
                to - from,
                origin >>> MapRun.ORIGIN_BITS,
                MapRun.allocation(origin),
                (origin & MapRun.ZEROS) != 0,
                (origin & MapRun.COMPRESSED) != 0,
                hostOffsets[index]);
    }

    /// Where nobody wants to know any more: runs that begin there are not looked for.
    long limit() {
        return limit;
    }

    void limit(long offset) {
        limit = offset;
    }

    void start(long offset) {
        start = offset;
        end = offset;
        count = 0;
    }

    /// Adds the bytes from [#end] to `to`, to the last run if they belong to it.
    ///
    /// @return false if there is no room
    boolean add(long to, int depth, MapRun run, boolean zero) {
        int origin =
                depth << MapRun.ORIGIN_BITS
                        | (run.origin & ~MapRun.ZEROS)
                        | (zero ? MapRun.ZEROS : 0);
        long hostOffset = run.hostOffset(end);
        if (count > 0 && origins[count - 1] == origin && continuesAt(hostOffset)) {
            end = to;
            return true;
        }
        if (count == starts.length) {
            return false;
        }
        starts[count] = end;
        hostOffsets[count] = hostOffset;
        origins[count++] = origin;
        end = to;
        return true;
    }

    private boolean continuesAt(long hostOffset) {
        long last = hostOffsets[count - 1];
        return hostOffset < 0
                ? last < 0
                : last >= 0 && hostOffset - last == end - starts[count - 1];
    }
}
