package dev.dirtymap.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Walks the map of a window of the disk, in order. Holds one piece at a time, and reads nothing before the
/// window.
public final class MapScanner {

    /// Where the pieces come from.
    @FunctionalInterface
    public interface MapSource {
        /// Fills `piece` from one guest offset on ([MapReader]); it may stay empty for some calls.
        void read(long offset, MapPiece piece) throws IOException;
    }

    private static final int PIECE = 1024;

    private final MapSource source;
    private final long windowEnd;
    private final MapPiece piece;
    private int index;
    private long at;
    private @Nullable MapExtent pending;

    /// @param windowStart the first guest byte of interest
    /// @param windowEnd the guest byte after the last, at most the virtual size
    public MapScanner(MapSource source, long windowStart, long windowEnd) {
        this(source, windowStart, windowEnd, PIECE);
    }

    /// @param runs how many to hold at once
    MapScanner(MapSource source, long windowStart, long windowEnd, int runs) {
        this.source = source;
        this.windowEnd = windowEnd;
        this.at = windowStart;
        this.piece = new MapPiece(runs);
        this.piece.limit(windowEnd);
        this.piece.start(windowStart);
    }

    /// The next run: maximal within the window and clipped to it.
    ///
    /// @return null after the last
    public @Nullable MapExtent next() throws IOException {
        // Within a piece runs are maximal, and none begins behind the window: only the last needs a
        // closer look.
        if (pending == null && index < piece.count() - 1) {
            MapExtent extent = piece.get(index++);
            at = extent.end();
            return extent;
        }
        return nextOfSeveralPieces();
    }

    private @Nullable MapExtent nextOfSeveralPieces() throws IOException {
        MapExtent current = pending == null ? nextOfPieces() : pending;
        pending = null;
        while (current != null && index == piece.count()) {
            MapExtent following = nextOfPieces();
            if (following == null) {
                break;
            }
            if (!continues(current, following)) {
                pending = following;
                break;
            }
            current = joined(current, following);
        }
        return current;
    }

    private @Nullable MapExtent nextOfPieces() throws IOException {
        if (at >= windowEnd) {
            return null;
        }
        while (index == piece.count()) {
            index = 0;
            source.read(at, piece);
        }
        MapExtent extent = piece.get(index++);
        at = Math.min(extent.end(), windowEnd);
        if (at == extent.end()) {
            return extent;
        }
        return new MapExtent(
                extent.offset(),
                at - extent.offset(),
                extent.depth(),
                extent.allocation(),
                extent.zero(),
                extent.compressed(),
                extent.hostOffset());
    }

    private static boolean continues(MapExtent a, MapExtent b) {
        return a.depth() == b.depth()
                && a.allocation() == b.allocation()
                && a.zero() == b.zero()
                && a.compressed() == b.compressed()
                && (a.hostOffset() < 0
                        ? b.hostOffset() < 0
                        : b.hostOffset() == a.hostOffset() + a.length());
    }

    private static MapExtent joined(MapExtent a, MapExtent b) {
        return new MapExtent(
                a.offset(),
                a.length() + b.length(),
                a.depth(),
                a.allocation(),
                a.zero(),
                a.compressed(),
                a.hostOffset());
    }
}
