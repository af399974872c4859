package dev.dirtymap.http;

import dev.dirtymap.images.BitmapContent;
import dev.dirtymap.images.BitsUpload;
import dev.dirtymap.images.FileVersion;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.qcow2.BitRun;
import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapDirectory;
import dev.dirtymap.qcow2.BitmapReader;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.RawBits;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.headers.Header;
import io.swagger.v3.oas.annotations.media.Content;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.responses.ApiResponse;
import io.swagger.v3.oas.annotations.tags.Tag;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.HttpRange;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.context.request.ServletWebRequest;

/// The raw bits of a bitmap.
@RestController
@Tag(name = "Bitmaps")
class BitsController {

    private final Images images;
    private final BitmapChanges changes;
    private final RequestMeters meters;

    BitsController(Images images, BitmapChanges changes, RequestMeters meters) {
        this.images = images;
        this.changes = changes;
        this.meters = meters;
    }

    @GetMapping(
            path = "/v1/images/{image}/bitmaps/{bitmap}/bits",
            produces = MediaType.APPLICATION_OCTET_STREAM_VALUE)
    @Operation(
            operationId = "getBits",
            summary = "Get the bits of a bitmap",
            description =
                    "Exactly ceil(ceil(virtualSize / granularity) / 8) bytes. Bit n % 8, counted from the least"
                            + " significant, of byte n / 8 stands for the guest bytes from n * granularity"
                            + " on; bits past the end of the disk are 0. One byte range is answered with"
                            + " 206, several with the whole.",
            responses = {
                @ApiResponse(
                        responseCode = "200",
                        description = "All bits.",
                        headers = {
                            @Header(
                                    name = "Bitmap-Granularity",
                                    description = "Guest bytes that one bit stands for.",
                                    schema = @Schema(type = "integer", format = "int64")),
                            @Header(
                                    name = "Bitmap-Virtual-Size",
                                    description = "Size of the disk in bytes.",
                                    schema = @Schema(type = "integer", format = "int64"))
                        },
                        content =
                                @Content(
                                        mediaType = MediaType.APPLICATION_OCTET_STREAM_VALUE,
                                        schema = @Schema(type = "string", format = "binary"))),
                @ApiResponse(
                        responseCode = "206",
                        description = "The byte range that was asked for.",
                        headers =
                                @Header(
                                        name = "Content-Range",
                                        description = "Which bytes of how many.",
                                        schema = @Schema(type = "string")),
                        content =
                                @Content(
                                        mediaType = MediaType.APPLICATION_OCTET_STREAM_VALUE,
                                        schema = @Schema(type = "string", format = "binary")))
            })
    void get(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(
                            description =
                                    "One byte range, such as bytes=0-511; with If-Range only while that ETag"
                                            + " still holds.")
                    @RequestHeader(name = HttpHeaders.RANGE, required = false)
                    @Nullable String range,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        images.read(
                imageId,
                open -> {
                    BitmapContent content = open.content(bitmapId);
                    String etag = etag(imageId, content.version(), content.bitmap());
                    response.setHeader(
                            "Bitmap-Granularity", Long.toString(content.geometry().granularity()));
                    response.setHeader(
                            "Bitmap-Virtual-Size", Long.toString(content.geometry().virtualSize()));
                    response.setHeader(HttpHeaders.ACCEPT_RANGES, "bytes");
                    if (!new ServletWebRequest(request, response).checkNotModified(etag)) {
                        send(content, Span.of(range, request, etag, content), request, response);
                    }
                    return true;
                });
    }

    /// The strong ETag of a bitmap's bits.
    static String etag(Id image, FileVersion version, Bitmap bitmap) {
        return Digest.etag(image, Id.of(bitmap.name()), version, bitmap.checksum());
    }

    @PutMapping(
            path = "/v1/images/{image}/bitmaps/{bitmap}/bits",
            consumes = MediaType.APPLICATION_OCTET_STREAM_VALUE,
            produces = MediaType.APPLICATION_JSON_VALUE)
    @Operation(
            operationId = "putBits",
            summary = "Replace the bits of a bitmap",
            description =
                    "Takes exactly the bytes that GET gives; bits past the end of the disk must be 0. The"
                            + " reference point is dropped. The image is only locked once all bytes are"
                            + " there.",
            requestBody =
                    @io.swagger.v3.oas.annotations.parameters.RequestBody(
                            description = "All bits.",
                            required = true,
                            content =
                                    @Content(
                                            mediaType = MediaType.APPLICATION_OCTET_STREAM_VALUE,
                                            schema = @Schema(type = "string", format = "binary"))))
    ResponseEntity<BitmapBody> put(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(
                            description =
                                    "An ETag of the bitmap, or several with commas, or *: the change is only made"
                                            + " while it holds.")
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            HttpServletRequest request)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        long bytes = images.read(imageId, open -> geometry(open, bitmapId)).bytes();
        if (request.getContentLengthLong() >= 0) {
            requireLength(request.getContentLengthLong(), bytes);
        }
        try (BitsUpload upload = images.receive(imageId, request.getInputStream(), bytes)) {
            if (upload.length() > bytes) {
                throw new ProblemException(
                        ProblemType.REQUEST_TOO_LARGE,
                        "the bits must be %d bytes, but were more".formatted(bytes));
            }
            return changes.change(
                    imageId,
                    bitmapId,
                    List.of(),
                    bitmapId,
                    ifMatch,
                    (draft, locked) -> replace(draft, locked.view(imageId), bitmapId, upload));
        }
    }

    private static Geometry geometry(OpenImage open, Id bitmap) throws ImageException, IOException {
        record Found(@Nullable Bitmap bitmap, ImageView view) {}
        return Retry.onChange(() -> {
            Found found =
                    open.look(view -> {
                        int at = view.image().bitmaps().find(bitmap.name());
                        return new Found(at < 0 ? null : view.image().bitmaps().get(at), view);
                    });
            if (found.bitmap == null) {
                throw open.missing(bitmap, found.view);
            }
            // Says why, where the bitmap has no content to replace.
            return found.bitmap.state() == BitmapState.CONSISTENT && !found.view.heldForWriting()
                    ? found.bitmap.geometry()
                    : open.content(found.bitmap, found.view).geometry();
        });
    }

    /// Replaces the bits, with what the bitmap is now that it is locked.
    private static void replace(BitmapsDraft draft, ImageView view, Id bitmap, BitsUpload upload)
            throws ChangeRefusedException, IOException {
        BitmapDirectory directory = view.image().bitmaps();
        int position = directory.find(bitmap.name());
        if (position >= 0 && directory.get(position).state() == BitmapState.CONSISTENT) {
            Geometry geometry = directory.get(position).geometry();
            requireLength(upload.length(), geometry.bytes());
            RawBits bits = upload.bits(geometry);
            if (bits.reachesBeyondTheEnd()) {
                throw ProblemException.inBody(
                        "",
                        "must have 0 in the last byte's bits from %d on, which lie past the end of the disk"
                                .formatted(geometry.bits() & 7));
            }
            draft.replace(bitmap.name(), bits, null);
        } else {
            // Is refused for what it is.
            draft.clear(bitmap.name(), null);
        }
    }

    private static void requireLength(long length, long wanted) {
        if (length != wanted) {
            throw ProblemException.inBody(
                    "", "must be %d bytes, but was %d".formatted(wanted, length));
        }
    }

    /// Sends bytes as they are read. No lock is held while they go out, and nothing is sent before the first
    /// step has succeeded; a failure after that cuts the connection short of Content-Length.
    private void send(
            BitmapContent content,
            Span span,
            HttpServletRequest request,
            HttpServletResponse response)
            throws IOException {
        BitRun run = new BitRun(BitmapReader.MAX_PIECE);
        long at = span.from;
        boolean body = !HttpMethod.HEAD.matches(request.getMethod());
        if (body && at < span.to) {
            content.read(at << 3 & -64L, run);
        }
        if (span.isPartial()) {
            response.setStatus(HttpServletResponse.SC_PARTIAL_CONTENT);
            response.setHeader(
                    HttpHeaders.CONTENT_RANGE,
                    "bytes %d-%d/%d".formatted(span.from, span.to - 1, span.total));
        }
        response.setContentType(MediaType.APPLICATION_OCTET_STREAM_VALUE);
        response.setContentLengthLong(span.to - span.from);
        if (!body) {
            return;
        }
        OutputStream out = meters.countedBits(response.getOutputStream());
        while (at < span.to) {
            if (run.end() <= at << 3) {
                content.read(at << 3 & -64L, run);
            }
            long end = Math.min(span.to, (run.end() + 7) >>> 3);
            run.writeTo(out, at, end);
            at = end;
        }
    }

    /// The bytes that are asked for.
    ///
    /// @param from the first
    /// @param to the one after the last
    /// @param total how many there are
    /// @param isPartial whether a range was asked for, be it the whole
    private record Span(long from, long to, long total, boolean isPartial) {

        /// @throws ProblemException 416 if the one range that is asked for lies beyond the end
        static Span of(
                @Nullable String range,
                HttpServletRequest request,
                String etag,
                BitmapContent content) {
            long total = content.geometry().bytes();
            Span whole = new Span(0, total, total, false);
            String ifRange = request.getHeader(HttpHeaders.IF_RANGE);
            // Ranges are for GET alone (RFC 9110, 14.2): HEAD tells the size of the whole.
            if (range == null
                    || HttpMethod.HEAD.matches(request.getMethod())
                    || (ifRange != null && !ifRange.equals(etag))) {
                return whole;
            }
            List<HttpRange> ranges;
            try {
                ranges = HttpRange.parseRanges(range);
            } catch (IllegalArgumentException malformed) {
                // A range that cannot be read is to be ignored (RFC 9110, 14.2).
                return whole;
            }
            if (ranges.size() != 1) {
                return whole;
            }
            try {
                HttpRange one = ranges.getFirst();
                long from = one.getRangeStart(total);
                long to = one.getRangeEnd(total) + 1;
                if (from < total && from < to) {
                    return new Span(from, to, total, true);
                }
            } catch (IllegalArgumentException beyond) {
                // Told below.
            }
            throw new ProblemException(
                            ProblemType.RANGE_NOT_SATISFIABLE,
                            "the range '%s' lies beyond the end of the bits, of which there are %d bytes"
                                    .formatted(range, total))
                    .with("totalBytes", total);
        }
    }
}
