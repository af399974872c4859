package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.images.BackingChain;
import dev.dirtymap.images.BitmapContent;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.qcow2.Algebra;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentSource;
import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.Shape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One bitmap, or several to be combined.
///
/// @param bitmaps at least one
/// @param combine how; null for one bitmap alone
/// @param withAllocation whether to tell what the image has where they are dirty
record BitmapSet(
        Id image, List<Id> bitmaps, Algebra.@Nullable Operation combine, boolean withAllocation) {

    /// How many may be combined: each takes a buffer.
    private static final int MAX_BITMAPS = 32;

    /// What a request names.
    ///
    /// @throws ProblemException 400 if that is no set
    static BitmapSet of(
            Id image,
            String[] bitmaps,
            Algebra.@Nullable Operation combine,
            boolean withAllocation) {
        if (bitmaps.length > MAX_BITMAPS) {
            throw ProblemException.invalid(
                    "bitmap",
                    "must be given at most %d times, but was given %d times"
                            .formatted(MAX_BITMAPS, bitmaps.length));
        }
        if (bitmaps.length > 1 && combine == null) {
            throw ProblemException.invalid(
                    "combine", "must say how %d bitmaps are combined".formatted(bitmaps.length));
        }
        List<Id> ids = new ArrayList<>();
        for (String bitmap : bitmaps) {
            ids.add(Ids.parse("bitmap", bitmap));
        }
        return new BitmapSet(image, ids, combine, withAllocation);
    }

    /// What it is, as a digest.
    String subject() {
        return Digest.of(image, bitmaps, combine, withAllocation);
    }

    /// Opens the list of its extents.
    ///
    /// @param map null if allocation is not told
    Listing open(OpenImage open, @Nullable BackingChain map) throws ImageException, IOException {
        List<BitmapContent> contents = open.contents(bitmaps);
        BitmapContent first = contents.getFirst();
        if (map != null) {
            map.requireTop(first.version());
        }
        BitSource bits = first;
        Geometry geometry = first.geometry();
        if (combine != null) {
            Algebra algebra =
                    new Algebra(
                            combine,
                            contents.stream()
                                    .map(one -> new Algebra.Operand(one, one.geometry()))
                                    .toList());
            bits = algebra;
            geometry = algebra.geometry();
        }
        return listing(contents, bits, geometry, map);
    }

    private Listing listing(
            List<BitmapContent> contents,
            BitSource bits,
            Geometry geometry,
            @Nullable BackingChain map) {
        long granularity = geometry.granularity();
        return new Listing(
                image,
                subject(),
                Digest.of(
                        contents.getFirst().version(),
                        contents.stream().map(one -> one.bitmap().checksum()).toList(),
                        geometry,
                        map == null ? null : map.versions()),
                geometry.virtualSize(),
                granularity,
                window -> new LineWriter.Columns(window.isOfBoth(), withAllocation, false),
                window ->
                        ExtentPage.of(
                                image,
                                bitmaps,
                                combine,
                                geometry.virtualSize(),
                                granularity,
                                window.shape().isExact(granularity),
                                combine == null
                                        ? ReferencePointBody.of(
                                                contents.getFirst().referencePoint())
                                        : null,
                                window.next(),
                                window.end() - window.next()),
                (window, maxPiece) -> extents(bits, geometry, window, map, maxPiece));
    }

    private static Listing.Bodies extents(
            BitSource bits,
            Geometry geometry,
            ExtentWindow window,
            @Nullable BackingChain map,
            int maxPiece) {
        Shape shape = window.shape();
        Shape unsplit = new Shape(shape.align(), shape.gap(), Long.MAX_VALUE);
        ExtentSource source =
                unsplit.extents(
                        bits, geometry, window.selection(), window.next(), window.end(), maxPiece);
        Listing.Bodies whole =
                map == null
                        ? bodies(source, window.isOfBoth())
                        : new MapBodies(map).split(source, window.end(), window.isOfBoth());
        return MapBodies.inParts(whole, shape.maxLength());
    }

    private static Listing.Bodies bodies(ExtentSource source, boolean withState) {
        return () -> {
            Extent extent = source.next();
            return extent == null
                    ? null
                    : ExtentBody.of(
                            extent.offset(), extent.length(), withState ? extent.dirty() : null);
        };
    }
}
