package dev.dirtymap.http;

import dev.dirtymap.http.ProblemException.ParameterError;
import dev.dirtymap.images.BackingChain;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.OpenImage;
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
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/// The extents of a bitmap, of several combined, or of an image's own map: in pages or as a stream.
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
            @ParameterObject AllocationQuery allocation,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        BitmapSet set =
                new BitmapSet(
                        Ids.parse("image", image),
                        List.of(Ids.parse("bitmap", bitmap)),
                        null,
                        allocation.withAllocation());
        answer(set, query, request, response);
    }

    @GetMapping(
            path = "/v1/images/{image}/extents",
            produces = {
                MediaType.APPLICATION_JSON_VALUE,
                MediaType.APPLICATION_NDJSON_VALUE,
                "text/csv",
                MediaType.TEXT_PLAIN_VALUE,
                MediaType.APPLICATION_CBOR_VALUE
            })
    @Operation(
            operationId = "listImageExtents",
            summary = "List the map of an image, or a combination of bitmaps",
            description =
                    "Without bitmap: where the image has data, zeros or nothing, as qemu-img map tells it; the"
                            + " extents tile the window. With bitmap, once or several times: the extents of"
                            + " those bitmaps combined, without a bitmap being made. Pages, cursors and streams"
                            + " are those of a bitmap's extents; state, align, gap and include are for bitmaps,"
                            + " chain for the map.",
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
                                                        name = "map",
                                                        value =
                                                                """
                                                                {"record":"header","image":"sample.qcow2","imageId":"sample.qcow2","virtualSize":10737418240,"exact":true,"offset":0,"length":10737418240}
                                                                {"offset":0,"length":10737418240,"allocation":"UNALLOCATED","zero":true}
                                                                {"record":"end","complete":true,"extentCount":1,"dirtyBytes":0}
                                                                """)),
                                @Content(
                                        mediaType = "text/csv",
                                        schema = @Schema(type = "string"),
                                        examples =
                                                @ExampleObject(
                                                        name = "map",
                                                        value =
                                                                """
                                                                offset,length,allocation,reads,hostOffset
                                                                0,10737418240,UNALLOCATED,zero,
                                                                # complete extents=1 dirtyBytes=0
                                                                """)),
                                @Content(
                                        mediaType = MediaType.TEXT_PLAIN_VALUE,
                                        schema = @Schema(type = "string"),
                                        examples =
                                                @ExampleObject(
                                                        name = "map",
                                                        value =
                                                                """
                                                                0 10737418240 UNALLOCATED zero -
                                                                # complete extents=1 dirtyBytes=0
                                                                """)),
                                @Content(
                                        mediaType = MediaType.APPLICATION_CBOR_VALUE,
                                        schema = @Schema(type = "string", format = "binary"))
                            }))
    void map(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @ParameterObject @Valid ExtentQuery query,
            @ParameterObject SetQuery set,
            @ParameterObject AllocationQuery allocation,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        // As they stand: a list that the framework made of one of them may have been split at
        // commas.
        String[] bitmaps = request.getParameterValues("bitmap");
        if (bitmaps == null) {
            requireForMap(query, set, allocation);
            boolean chain = Boolean.TRUE.equals(set.chain());
            String subject = Digest.of(imageId, "map", chain);
            Cursor cursor = ExtentWindow.cursor(query, subject);
            Retry.onChange(() ->
                    images.readChain(
                            imageId,
                            chain,
                            files -> {
                                answers.answer(
                                        query,
                                        cursor,
                                        () -> map(imageId, files, subject, chain),
                                        request,
                                        response);
                                return true;
                            }));
        } else {
            if (set.chain() != null) {
                throw ProblemException.invalid("chain", "is for the map, not for bitmaps");
            }
            answer(
                    BitmapSet.of(imageId, bitmaps, set.combine(), allocation.withAllocation()),
                    query,
                    request,
                    response);
        }
    }

    private static void requireForMap(ExtentQuery query, SetQuery set, AllocationQuery allocation) {
        List<ParameterError> errors = new ArrayList<>();
        refuse(errors, "combine", set.combine());
        refuse(errors, "state", query.state());
        refuse(errors, "align", query.align());
        refuse(errors, "gap", query.gap());
        refuse(errors, "include", allocation.include());
        if (!errors.isEmpty()) {
            throw ProblemException.invalid(errors);
        }
    }

    private static void refuse(List<ParameterError> errors, String name, @Nullable Object value) {
        if (value != null) {
            errors.add(
                    new ParameterError(
                            name,
                            "is for bitmaps: give bitmap too, or leave this out for the map"));
        }
    }

    private static Listing map(Id image, BackingChain files, String subject, boolean chain) {
        long size = files.virtualSize();
        return new Listing(
                image,
                subject,
                Digest.of(files.versions()),
                size,
                1,
                _ -> new LineWriter.Columns(false, true, chain),
                window ->
                        ExtentPage.of(
                                image,
                                List.of(),
                                null,
                                size,
                                null,
                                true,
                                null,
                                window.next(),
                                window.end() - window.next()),
                (window, _) ->
                        MapBodies.inParts(
                                new MapBodies(files).map(window.next(), window.end(), chain),
                                window.shape().maxLength()));
    }

    private void answer(
            BitmapSet set,
            ExtentQuery query,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        Cursor cursor = ExtentWindow.cursor(query, set.subject());
        Retry.onChange(() ->
                images.read(
                        set.image(),
                        open -> {
                            if (set.withAllocation()) {
                                return images.readChain(
                                        set.image(),
                                        false,
                                        map ->
                                                answer(
                                                        query, cursor, set, open, map, request,
                                                        response));
                            }
                            return answer(query, cursor, set, open, null, request, response);
                        }));
    }

    private boolean answer(
            ExtentQuery query,
            @Nullable Cursor cursor,
            BitmapSet set,
            OpenImage open,
            @Nullable BackingChain map,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        answers.answer(query, cursor, () -> set.open(open, map), request, response);
        return true;
    }
}
