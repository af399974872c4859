package dev.dirtymap.http;

import dev.dirtymap.images.BitmapContent;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapDirectory;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.ReferencePoints;
import dev.dirtymap.qcow2.Totals;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import jakarta.validation.Valid;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/// The bitmaps of an image.
@RestController
@RequestMapping(path = "/v1/images/{image}/bitmaps", produces = MediaType.APPLICATION_JSON_VALUE)
@Tag(name = "Bitmaps")
class BitmapsController {

    private static final int DEFAULT_LIMIT = 1000;

    /// How long one page may count bits; what is not reached is left to the next page.
    private static final long MAX_NANOS = TimeUnit.SECONDS.toNanos(2);

    private static final String CURSOR = "bitmaps";

    private final Images images;

    BitmapsController(Images images) {
        this.images = images;
    }

    /// What a list of bitmaps may include.
    enum Include {
        /// `dirtyBytes` and `dirtyExtents`, which takes reading all bits.
        TOTALS
    }

    /// The parameters of a list of bitmaps.
    record ListQuery(
            @Parameter(description = "How many bitmaps at most, 1 to 1000; 1000 by default.")
                    @Min(1)
                    @Max(1000)
                    @Schema(example = "100")
                    @Nullable Integer limit,
            @Parameter(description = "The nextCursor of the page before.") @Nullable String cursor,
            @Parameter(
                            description =
                                    "TOTALS adds dirtyBytes and dirtyExtents, which takes reading all bits.")
                    @Nullable Include include) {}

    /// One page of bitmaps.
    @Schema(
            name = "BitmapList",
            description = "One page of bitmaps.",
            requiredProperties = "bitmaps")
    record BitmapList(
            @Schema(description = "In the order of the image's bitmap directory.")
                    List<BitmapBody> bitmaps,
            @Schema(
                            description =
                                    "Send it back as cursor for the next page; absent on the last one.")
                    @Nullable String nextCursor,
            @Schema(
                            description =
                                    "Why bitmaps may be missing here: the directory itself is broken. Absent"
                                            + " if it is whole.")
                    @Nullable String reason) {}

    @GetMapping
    @Operation(
            operationId = "listBitmaps",
            summary = "List the bitmaps of an image",
            description =
                    "All bitmaps in directory order, each with its state and, where it cannot be trusted, the"
                            + " reason. A broken bitmap never hides the others.")
    ResponseEntity<BitmapList> list(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @ParameterObject @Valid ListQuery query)
            throws ImageException, IOException {
        Id id = Ids.parse("image", image);
        BitmapList page = images.read(id, open -> page(open, query));
        return ResponseEntity.ok().eTag(Digest.weakEtag(id, page)).body(page);
    }

    @GetMapping("/{bitmap}")
    @Operation(
            operationId = "getBitmap",
            summary = "Get a bitmap",
            description =
                    "Its state, and of a CONSISTENT one how much is dirty, which is counted from all its bits"
                            + " in short steps under QEMU's reader lock.")
    ResponseEntity<BitmapBody> get(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        return images.read(
                imageId,
                open ->
                        Retry.onChange(() -> {
                            Found found = open.look(view -> find(view, bitmapId));
                            if (found.bitmaps.isEmpty()) {
                                throw open.missing(bitmapId, found.view);
                            }
                            Bitmap first = found.bitmaps.getFirst();
                            BitmapBody body =
                                    BitmapBody.of(
                                            first, totals(open, found, first), found.points());
                            String etag = BitmapBody.etag(imageId, found.view, first);
                            return ResponseEntity.ok().eTag(etag).body(body);
                        }));
    }

    /// Bitmaps of one view.
    ///
    /// @param start the directory position of the first
    private record Found(
            ImageView view, List<Bitmap> bitmaps, int start, int count, @Nullable String reason) {

        ReferencePoints points() {
            return view.image().referencePoints();
        }
    }

    private static Found find(ImageView view, Id bitmap) throws IOException {
        BitmapDirectory directory = view.image().bitmaps();
        int position = directory.find(bitmap.name());
        List<Bitmap> bitmaps = position < 0 ? List.of() : List.of(directory.get(position));
        return new Found(view, bitmaps, position, directory.count(), directory.reason());
    }

    private static Found find(Id image, ImageView view, ListQuery query) throws IOException {
        BitmapDirectory directory = view.image().bitmaps();
        int start = query.cursor() == null ? 0 : resume(image, directory, query.cursor());
        int limit = query.limit() == null ? DEFAULT_LIMIT : query.limit();
        int end = Math.min(directory.count(), start + limit);
        List<Bitmap> bitmaps = new ArrayList<>();
        for (int i = start; i < end; i++) {
            bitmaps.add(directory.get(i));
        }
        return new Found(view, bitmaps, start, directory.count(), directory.reason());
    }

    private static BitmapList page(OpenImage open, ListQuery query)
            throws ImageException, IOException {
        return Retry.onChange(() -> {
            Found found = open.look(view -> find(open.id(), view, query));
            long deadline = System.nanoTime() + MAX_NANOS;
            ReferencePoints points = found.points();
            List<BitmapBody> bodies = new ArrayList<>();
            for (Bitmap bitmap : found.bitmaps) {
                boolean counted = query.include() == Include.TOTALS;
                if (counted && !bodies.isEmpty() && System.nanoTime() - deadline >= 0) {
                    break;
                }
                bodies.add(
                        BitmapBody.of(
                                bitmap, counted ? totals(open, found, bitmap) : null, points));
            }
            int next = found.start + bodies.size();
            String cursor =
                    next == found.count
                            ? null
                            : cursor(open.id(), next, found.bitmaps.get(bodies.size() - 1));
            return new BitmapList(bodies, cursor, found.reason);
        });
    }

    private static @Nullable Totals totals(OpenImage open, Found found, Bitmap bitmap)
            throws ImageException, IOException {
        if (bitmap.state() != BitmapState.CONSISTENT) {
            return null;
        }
        BitmapContent content = open.content(bitmap, found.view);
        return Totals.of(content, content.geometry());
    }

    /// A list goes on after the bitmap that it ended with: should another stand there now, the directory has
    /// changed, and a bitmap could be missed.
    private static String cursor(Id image, int next, Bitmap last) {
        return new Cursor(
                        CURSOR,
                        List.of(
                                Digest.of(image),
                                Integer.toString(next),
                                Digest.of(Id.of(last.name()))))
                .seal();
    }

    private static int resume(Id image, BitmapDirectory directory, String text) throws IOException {
        Cursor cursor = Cursor.open(text, CURSOR, 3);
        cursor.require(0, Digest.of(image), "image");
        int next = (int) cursor.number(1, 1, Integer.MAX_VALUE);
        if (next > directory.count()
                || !cursor.fields()
                        .get(2)
                        .equals(Digest.of(Id.of(directory.get(next - 1).name())))) {
            throw new ProblemException(
                    ProblemType.CONTENT_CHANGED,
                    "the bitmaps of image '%s' changed since the cursor was made"
                            .formatted(image.text()));
        }
        return next;
    }
}
