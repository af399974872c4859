package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.images.BackingChain;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ExtentSource;
import dev.dirtymap.qcow2.FormatException;
import dev.dirtymap.qcow2.MapExtent;
import dev.dirtymap.qcow2.MapScanner;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Extents of the map of an image, and extents of bitmaps split by it.
final class MapBodies {

    /// Where this much of the disk is of no interest, it is not read but jumped over: what one L2 table of
    /// clusters of 64 KiB covers.
    private static final long JUMP = 512L << 20;

    private final BackingChain chain;

    MapBodies(BackingChain chain) {
        this.chain = chain;
    }

    /// The map itself.
    Listing.Bodies map(long start, long end, boolean withDepth) {
        MapScanner scanner = scanner(start, end);
        return () -> {
            MapExtent found = scanner.next();
            return found == null
                    ? null
                    : ExtentBody.of(found.offset(), found.length(), null, found, withDepth);
        };
    }

    /// Extents split where the map changes.
    ///
    /// @param end no extent reaches beyond
    Listing.Bodies split(ExtentSource extents, long end, boolean withState) {
        return new Split(extents, end, withState);
    }

    /// Where the map of the image is broken, the image is unreadable: not the request at fault, nor a change.
    private MapScanner scanner(long start, long end) {
        return new MapScanner(
                (offset, piece) -> {
                    try {
                        chain.read(offset, piece);
                    } catch (FormatException e) {
                        throw new ProblemException(
                                ProblemType.IMAGE_UNREADABLE, e.violation().toString());
                    }
                },
                start,
                end);
    }

    private final class Split implements Listing.Bodies {

        private final ExtentSource extents;
        private final long end;
        private final boolean withState;
        private @Nullable Extent extent;
        private long at;
        private MapScanner scanner;
        private @Nullable MapExtent map;

        Split(ExtentSource extents, long end, boolean withState) {
            this.extents = extents;
            this.end = end;
            this.withState = withState;
            this.scanner = scanner(0, 0);
        }

        @Override
        public @Nullable ExtentBody next() throws IOException {
            Extent current = extent;
            if (current == null) {
                current = extents.next();
                if (current == null) {
                    return null;
                }
                extent = current;
                at = current.offset();
            }
            MapExtent here = mapAt(at);
            long stop = Math.min(current.end(), here.end());
            ExtentBody body =
                    ExtentBody.of(at, stop - at, withState ? current.dirty() : null, here, false);
            at = stop;
            if (at == current.end()) {
                extent = null;
            }
            return body;
        }

        private MapExtent mapAt(long offset) throws IOException {
            MapExtent found = map;
            if (found == null || offset - found.end() >= JUMP) {
                scanner = scanner(offset, end);
                found = scanner.next();
            }
            while (found != null && found.end() <= offset) {
                found = scanner.next();
            }
            if (found == null) {
                throw new IllegalStateException("the map ends before " + offset);
            }
            map = found;
            return found;
        }
    }

    /// Splits long extents, counted from where each begins.
    static Listing.Bodies inParts(Listing.Bodies whole, long maxLength) {
        if (maxLength == Long.MAX_VALUE) {
            return whole;
        }
        return new Listing.Bodies() {
            private @Nullable ExtentBody rest;

            @Override
            public @Nullable ExtentBody next() throws IOException {
                ExtentBody body = rest == null ? whole.next() : rest;
                if (body == null || body.length() <= maxLength) {
                    rest = null;
                    return body;
                }
                rest = body.part(maxLength, body.length() - maxLength);
                return body.part(0, maxLength);
            }
        };
    }
}
