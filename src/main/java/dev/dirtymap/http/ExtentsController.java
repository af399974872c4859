package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.Extents;
import dev.dirtymap.images.BitmapContent;
import dev.dirtymap.images.ContentChangedException;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ExtentScanner;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import jakarta.validation.Valid;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/// The dirty extents of a bitmap, in pages.
@RestController
@Tag(name = "Extents")
class ExtentsController {

    private static final int DEFAULT_LIMIT = 1000;

    private static final String CURSOR = "extents";

    private final Images images;

    ExtentsController(Images images) {
        this.images = images;
    }

    /// The parameters of a list of extents.
    record ExtentQuery(
            @Parameter(
                            description =
                                    "First guest byte of the window; 0 by default. The size of the disk gives"
                                            + " an empty list.")
                    @Min(0)
                    @Schema(example = "0")
                    @Nullable Long offset,
            @Parameter(
                            description =
                                    "Guest bytes of the window; to the end of the disk by default.")
                    @Min(0)
                    @Schema(example = "5368709120")
                    @Nullable Long length,
            @Parameter(description = "How many extents at most, 1 to 100000; 1000 by default.")
                    @Min(1)
                    @Max(100_000)
                    @Schema(example = "100")
                    @Nullable Integer limit,
            @Parameter(
                            description =
                                    "The nextCursor of the page before; other parameters may be left out or"
                                            + " repeated as they were, and limit may change.")
                    @Nullable String cursor,
            @Parameter(description = "Which extents: DIRTY by default.")
                    @Nullable Selection state) {}

    @GetMapping(
            path = "/v1/images/{image}/bitmaps/{bitmap}/extents",
            produces = MediaType.APPLICATION_JSON_VALUE)
    @Operation(
            operationId = "listExtents",
            summary = "List the dirty extents of a bitmap",
            description =
                    "Ascending extents, maximal within the window and clipped to it. Pages tile the window;"
                            + " the list is whole when a page says complete. A cursor works after a restart"
                            + " and on other replicas, and is refused once the image has changed.")
    ResponseEntity<ExtentPage> list(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @ParameterObject @Valid ExtentQuery query)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        Cursor cursor = query.cursor() == null ? null : Cursor.open(query.cursor(), CURSOR, 6);
        if (cursor != null) {
            cursor.require(0, Digest.of(imageId, bitmapId), "image or bitmap");
        }
        return images.read(
                imageId, open -> Retry.onChange(() -> page(open, bitmapId, query, cursor)));
    }

    private static ResponseEntity<ExtentPage> page(
            OpenImage open, Id bitmapId, ExtentQuery query, @Nullable Cursor cursor)
            throws ImageException, IOException {
        BitmapContent content = open.content(bitmapId);
        String fingerprint =
                Digest.of(content.version(), content.bitmap().checksum(), content.geometry());
        if (cursor != null && !cursor.fields().get(5).equals(fingerprint)) {
            throw changed(open.id(), cursor.number(4, 0, Long.MAX_VALUE));
        }
        long virtualSize = content.geometry().virtualSize();
        Window window =
                cursor == null
                        ? Window.of(query, virtualSize, open.id())
                        : Window.of(query, cursor, virtualSize);
        try {
            return answer(open.id(), bitmapId, content, window, query, fingerprint);
        } catch (ContentChangedException e) {
            if (cursor != null) {
                throw changed(open.id(), window.next);
            }
            throw e;
        }
    }

    private static ResponseEntity<ExtentPage> answer(
            Id imageId,
            Id bitmapId,
            BitmapContent content,
            Window window,
            ExtentQuery query,
            String fingerprint)
            throws IOException {
        int limit = query.limit() == null ? DEFAULT_LIMIT : query.limit();
        Extents extents = new Extents(window.selection == Selection.ALL);
        ExtentScanner scanner =
                new ExtentScanner(
                        content, content.geometry(), window.selection, window.next, window.end);
        // One more than wanted: where it begins, the next page does.
        Extent extent = scanner.next();
        while (extent != null && extents.size() < limit) {
            extents.append(extent);
            extent = scanner.next();
        }
        long pageEnd = extent == null ? window.end : extent.offset();
        ExtentPage page =
                new ExtentPage(
                        imageId.text(),
                        imageId.toString(),
                        bitmapId.text(),
                        bitmapId.toString(),
                        content.geometry().virtualSize(),
                        content.geometry().granularity(),
                        true,
                        ReferencePointBody.of(content.referencePoint()),
                        window.next,
                        pageEnd - window.next,
                        extents,
                        extent == null,
                        extent == null
                                ? null
                                : window.cursor(imageId, bitmapId, pageEnd, fingerprint).seal());
        String etag = Digest.weakEtag(imageId, bitmapId, fingerprint, window, limit);
        return ResponseEntity.ok().eTag(etag).body(page);
    }

    private static ProblemException changed(Id image, long resumeOffset) {
        return new ProblemException(
                        ProblemType.CONTENT_CHANGED,
                        "image '%s' changed since the cursor was made".formatted(image.text()))
                .with("resumeOffset", resumeOffset);
    }

    /// What is asked for, and where this page begins.
    ///
    /// @param start first guest byte asked for
    /// @param end guest byte after the last
    /// @param next first guest byte of this page
    private record Window(Selection selection, long start, long end, long next) {

        static Window of(ExtentQuery query, long virtualSize, Id image) {
            long start = query.offset() == null ? 0 : query.offset();
            if (start > virtualSize) {
                throw new ProblemException(
                                ProblemType.RANGE_NOT_SATISFIABLE,
                                "offset %d lies beyond the end of image '%s', which has %d bytes"
                                        .formatted(start, image.text(), virtualSize))
                        .with("virtualSize", virtualSize);
            }
            return new Window(
                    query.state() == null ? Selection.DIRTY : query.state(),
                    start,
                    end(start, query.length(), virtualSize),
                    start);
        }

        static Window of(ExtentQuery query, Cursor cursor, long virtualSize) {
            long end = cursor.number(3, 0, virtualSize);
            long next = cursor.number(4, 0, end);
            Window window =
                    new Window(
                            cursor.name(1, Selection.class), cursor.number(2, 0, next), end, next);
            if (query.state() != null) {
                cursor.require(1, query.state().name(), "state");
            }
            if (query.offset() != null) {
                cursor.require(2, query.offset().toString(), "offset");
            }
            if (query.length() != null
                    && end(window.start, query.length(), virtualSize) != window.end) {
                throw Cursor.invalid("it was made for another length");
            }
            return window;
        }

        private static long end(long start, @Nullable Long length, long limit) {
            return length == null || length > limit - start ? limit : start + length;
        }

        Cursor cursor(Id image, Id bitmap, long next, String fingerprint) {
            return new Cursor(
                    CURSOR,
                    List.of(
                            Digest.of(image, bitmap),
                            selection.name(),
                            Long.toString(start),
                            Long.toString(end),
                            Long.toString(next),
                            fingerprint));
        }
    }
}
