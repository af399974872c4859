package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.Images;
import dev.dirtymap.qcow2.Check;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

/// Checks of images.
@RestController
@Tag(name = "Images")
class CheckController {

    private final Images images;

    CheckController(Images images) {
        this.images = images;
    }

    /// How to check.
    @Schema(name = "CheckRequest", description = "How to check.")
    record CheckRequest() {

        static final JsonReader.Shape<CheckRequest> SHAPE =
                JsonReader.object(List.of(), _ -> new CheckRequest());
    }

    @PostMapping(
            path = "/v1/images/{image}/check",
            consumes = MediaType.APPLICATION_JSON_VALUE,
            produces = MediaType.APPLICATION_JSON_VALUE)
    @Operation(
            operationId = "checkImage",
            summary = "Check an image",
            description =
                    "Holds header, refcounts, guest tables, snapshots and every bitmap structure against each"
                            + " other, and goes on where qemu-img check gives up.")
    ResponseEntity<CheckBody> check(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(
                            description =
                                    "An ETag of the image, or several with commas, or *: the check is only made"
                                            + " while it holds.")
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable CheckRequest body)
            throws ImageException, IOException {
        Id id = Ids.parse("image", image);
        return images.change(
                List.of(),
                List.of(id),
                locked -> new IfMatch(ifMatch).requireImage(locked, id),
                locked -> ResponseEntity.ok(CheckBody.of(Check.run(locked.view(id).file()))));
    }
}
