package dev.dirtymap.http;

import dev.dirtymap.images.BitmapContent;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.Images;
import dev.dirtymap.qcow2.Heatmap;
import dev.dirtymap.qcow2.Split;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Content;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.responses.ApiResponse;
import io.swagger.v3.oas.annotations.tags.Tag;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.validation.Valid;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/// How to share out the work that a bitmap stands for, and where on the disk it lies (`api.md` 6.5).
@RestController
@Tag(name = "Planning")
class PlanningController {

    private static final String SVG = "image/svg+xml";

    private static final MediaType PICTURE =
            new MediaType("image", "svg+xml", StandardCharsets.UTF_8);

    private static final int DEFAULT_COUNT = 8;
    private static final int DEFAULT_BUCKETS = 256;

    private final Images images;

    PlanningController(Images images) {
        this.images = images;
    }

    /// The parameters of splits.
    record SplitsQuery(
            @Parameter(description = "How many windows at most, 1 to 1024; 8 by default.")
                    @Min(1)
                    @Max(Split.MAX_COUNT)
                    @Schema(example = "3")
                    @Nullable Integer count) {}

    /// The parameters of a heatmap.
    record HeatmapQuery(
            @Parameter(description = "How many slices at most, 1 to 4096; 256 by default.")
                    @Min(1)
                    @Max(Heatmap.MAX_BUCKETS)
                    @Schema(example = "10")
                    @Nullable Integer buckets) {}

    /// Windows that tile the disk.
    @Schema(
            name = "Splits",
            description = "Windows that tile the disk, with about equal dirty bytes.",
            requiredProperties = "splits")
    record SplitsBody(
            @Schema(
                            description =
                                    "Ascending, from 0 to the end of the disk; empty only for a disk of no size.")
                    List<SplitBody> splits) {}

    /// One window.
    @Schema(
            name = "Split",
            requiredProperties = {"offset", "length", "dirtyBytes"})
    record SplitBody(
            @Schema(description = "The first byte: the start of a granule.") long offset,
            @Schema(description = "How many bytes, at least 1.") long length,
            @Schema(description = "How many of them are dirty.") long dirtyBytes) {}

    /// How much is dirty where.
    @Schema(
            name = "Heatmap",
            description = "Dirty bytes in slices of equal length.",
            requiredProperties = {"bucketLength", "dirtyBytes"})
    record HeatmapBody(
            @Schema(
                            description =
                                    "Bytes of each slice, a multiple of 512 that depends on the disk's size and"
                                            + " buckets alone; the last slice may be shorter.")
                    long bucketLength,
            @Schema(
                            description =
                                    "Dirty bytes of each slice, from the start of the disk; fewer than buckets"
                                            + " where fewer of that length cover the disk.")
                    List<Long> dirtyBytes) {}

    @GetMapping(
            path = "/v1/images/{image}/bitmaps/{bitmap}/splits",
            produces = MediaType.APPLICATION_JSON_VALUE)
    @Operation(
            operationId = "splitBitmap",
            summary = "Split a disk into windows of equal work",
            description =
                    "Windows for parallel readers: they tile the disk, and their numbers of dirty granules"
                            + " differ by one at most. There are fewer where fewer granules are dirty, and"
                            + " one where none is. Each goes as offset and length into a list of extents.")
    ResponseEntity<SplitsBody> splits(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @ParameterObject @Valid SplitsQuery query,
            HttpServletRequest request)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        int count = query.count() == null ? DEFAULT_COUNT : query.count();
        return images.read(
                imageId,
                open ->
                        Retry.onChange(() -> {
                            BitmapContent content = open.content(bitmapId);
                            String etag = etag(imageId, bitmapId, content, "splits", count);
                            if (isKnown(etag, request)) {
                                return notModified(etag);
                            }
                            List<SplitBody> splits =
                                    Split.of(content, content.geometry(), count).stream()
                                            .map(split ->
                                                    new SplitBody(
                                                            split.offset(),
                                                            split.length(),
                                                            split.dirtyBytes()))
                                            .toList();
                            return ResponseEntity.ok().eTag(etag).body(new SplitsBody(splits));
                        }));
    }

    @GetMapping(
            path = "/v1/images/{image}/bitmaps/{bitmap}/heatmap",
            produces = {MediaType.APPLICATION_JSON_VALUE, SVG})
    @Operation(
            operationId = "getHeatmap",
            summary = "Get how much is dirty where",
            description =
                    "Dirty bytes in slices of equal length, as numbers or, with Accept: image/svg+xml, as a"
                            + " picture. A granule in two slices counts in each with its bytes there.",
            responses =
                    @ApiResponse(
                            responseCode = "200",
                            description = "Dirty bytes in slices of equal length.",
                            content = {
                                @Content(
                                        mediaType = MediaType.APPLICATION_JSON_VALUE,
                                        schema = @Schema(implementation = HeatmapBody.class)),
                                @Content(
                                        mediaType = SVG,
                                        schema =
                                                @Schema(
                                                        type = "string",
                                                        description =
                                                                "A picture: the disk from left to right,"
                                                                        + " each slice as high as its"
                                                                        + " share that is dirty."))
                            }))
    ResponseEntity<Object> heatmap(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @ParameterObject @Valid HeatmapQuery query,
            HttpServletRequest request)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        int buckets = query.buckets() == null ? DEFAULT_BUCKETS : query.buckets();
        boolean picture = prefersPicture(request);
        return images.read(
                imageId,
                open ->
                        Retry.onChange(() -> {
                            BitmapContent content = open.content(bitmapId);
                            String etag =
                                    etag(
                                            imageId,
                                            bitmapId,
                                            content,
                                            picture ? "picture" : "heatmap",
                                            buckets);
                            if (isKnown(etag, request)) {
                                return notModified(etag);
                            }
                            Heatmap heatmap = Heatmap.of(content, content.geometry(), buckets);
                            ResponseEntity.BodyBuilder answer =
                                    ResponseEntity.ok().eTag(etag).varyBy(HttpHeaders.ACCEPT);
                            return picture
                                    ? answer.contentType(PICTURE)
                                            .body(
                                                    new HeatmapPicture(
                                                                    imageId,
                                                                    bitmapId,
                                                                    content.geometry(),
                                                                    heatmap)
                                                            .svg()
                                                            .getBytes(StandardCharsets.UTF_8))
                                    : answer.contentType(MediaType.APPLICATION_JSON)
                                            .body(
                                                    new HeatmapBody(
                                                            heatmap.bucketLength(),
                                                            heatmap.dirtyBytes()));
                        }));
    }

    private static String etag(
            Id image, Id bitmap, BitmapContent content, String what, int number) {
        return Digest.weakEtag(
                image,
                bitmap,
                content.version(),
                content.bitmap().checksum(),
                content.geometry(),
                what,
                number);
    }

    /// Whether the caller has this very answer: then no bit needs to be read. Other ways to say so are left
    /// to Spring, which looks at the answer that was made.
    private static boolean isKnown(String etag, HttpServletRequest request) {
        return Collections.list(request.getHeaders(HttpHeaders.IF_NONE_MATCH)).stream()
                .anyMatch(header -> header.contains(etag));
    }

    private static <T> ResponseEntity<T> notModified(String etag) {
        return ResponseEntity.status(HttpStatus.NOT_MODIFIED).eTag(etag).build();
    }

    /// Whether the picture is wanted more than numbers (RFC 9110, 12.5.1), as by an image in a page.
    private static boolean prefersPicture(HttpServletRequest request) {
        List<MediaType> accepted =
                MediaType.parseMediaTypes(Collections.list(request.getHeaders(HttpHeaders.ACCEPT)));
        return quality(accepted, PICTURE) > quality(accepted, MediaType.APPLICATION_JSON);
    }

    /// What the most specific range that includes a type says of it.
    private static double quality(List<MediaType> accepted, MediaType type) {
        MediaType best = null;
        for (MediaType range : accepted) {
            if (range.includes(type) && (best == null || best.includes(range))) {
                best = range;
            }
        }
        return best == null ? 0 : best.getQualityValue();
    }
}
