package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.images.BitmapContent;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ExtentSource;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Content;
import io.swagger.v3.oas.annotations.media.ExampleObject;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.responses.ApiResponse;
import io.swagger.v3.oas.annotations.tags.Tag;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.validation.Valid;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/// The dirty extents of a bitmap, in pages or as a stream.
@RestController
@Tag(name = "Extents")
class ExtentsController {

    private final Images images;
    private final ExtentAnswers answers;

    ExtentsController(Images images, ExtentAnswers answers) {
        this.images = images;
        this.answers = answers;
    }

    @GetMapping(
            path = "/v1/images/{image}/bitmaps/{bitmap}/extents",
            produces = {
                MediaType.APPLICATION_JSON_VALUE,
                MediaType.APPLICATION_NDJSON_VALUE,
                "text/csv",
                MediaType.TEXT_PLAIN_VALUE,
                MediaType.APPLICATION_CBOR_VALUE
            })
    @Operation(
            operationId = "listExtents",
            summary = "List the dirty extents of a bitmap",
            description =
                    "Ascending extents, maximal within the window and clipped to it. As JSON, pages tile the"
                            + " window; the list is whole when a page says complete. A cursor works after a"
                            + " restart and on other replicas, and is refused once the image has changed. The"
                            + " other media types are streams of the whole window, made while they are sent:"
                            + " complete only if they end with the end record, the line # complete, or the end of"
                            + " the CBOR object. A stream that fails ends with what went wrong and resumeOffset.",
            responses =
                    @ApiResponse(
                            responseCode = "200",
                            description = "The extents.",
                            content = {
                                @Content(
                                        mediaType = MediaType.APPLICATION_JSON_VALUE,
                                        schema = @Schema(implementation = ExtentPage.class)),
                                @Content(
                                        mediaType = MediaType.APPLICATION_NDJSON_VALUE,
                                        schema = @Schema(type = "string"),
                                        examples =
                                                @ExampleObject(
                                                        name = "stream",
                                                        value =
                                                                """
                                                                {"record":"header","image":"sample.qcow2","imageId":"sample.qcow2","bitmap":"daily","bitmapId":"daily","virtualSize":10737418240,"granularity":65536,"exact":true,"offset":0,"length":1048576}
                                                                {"offset":0,"length":131072}
                                                                {"record":"end","complete":true,"extentCount":1,"dirtyBytes":131072}
                                                                """)),
                                @Content(
                                        mediaType = "text/csv",
                                        schema = @Schema(type = "string"),
                                        examples =
                                                @ExampleObject(
                                                        name = "rows",
                                                        value =
                                                                """
                                                                offset,length
                                                                0,131072
                                                                # complete extents=1 dirtyBytes=131072
                                                                """)),
                                @Content(
                                        mediaType = MediaType.TEXT_PLAIN_VALUE,
                                        schema = @Schema(type = "string"),
                                        examples =
                                                @ExampleObject(
                                                        name = "lines",
                                                        value =
                                                                """
                                                                0 131072
                                                                # complete extents=1 dirtyBytes=131072
                                                                """)),
                                @Content(
                                        mediaType = MediaType.APPLICATION_CBOR_VALUE,
                                        schema = @Schema(type = "string", format = "binary"))
                            }))
    void list(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @ParameterObject @Valid ExtentQuery query,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id bitmapId = Ids.parse("bitmap", bitmap);
        String subject = Digest.of(imageId, bitmapId);
        Cursor cursor = ExtentWindow.cursor(query, subject);
        images.read(
                imageId,
                open -> {
                    answers.answer(
                            query,
                            cursor,
                            () -> bitmap(open, bitmapId, subject),
                            request,
                            response);
                    return true;
                });
    }

    private static Listing bitmap(OpenImage open, Id bitmapId, String subject)
            throws ImageException, IOException {
        BitmapContent content = open.content(bitmapId);
        long granularity = content.geometry().granularity();
        return new Listing(
                open.id(),
                subject,
                Digest.of(content.version(), content.bitmap().checksum(), content.geometry()),
                content.geometry().virtualSize(),
                granularity,
                window ->
                        new ExtentPage(
                                open.id().text(),
                                open.id().toString(),
                                bitmapId.text(),
                                bitmapId.toString(),
                                content.geometry().virtualSize(),
                                granularity,
                                window.shape().isExact(granularity),
                                ReferencePointBody.of(content.referencePoint()),
                                window.next(),
                                window.end() - window.next(),
                                List.of(),
                                true,
                                null),
                window ->
                        bodies(
                                window.shape()
                                        .extents(
                                                content,
                                                content.geometry(),
                                                window.selection(),
                                                window.next(),
                                                window.end()),
                                window.isOfBoth()));
    }

    private static Listing.Bodies bodies(ExtentSource source, boolean withState) {
        return () -> {
            Extent extent = source.next();
            return extent == null ? null : body(extent, withState);
        };
    }

    private static @Nullable ExtentBody body(Extent extent, boolean withState) {
        return new ExtentBody(extent.offset(), extent.length(), withState ? extent.dirty() : null);
    }
}
