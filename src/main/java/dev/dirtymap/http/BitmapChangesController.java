package dev.dirtymap.http;

import dev.dirtymap.access.AuditTrail;
import dev.dirtymap.http.BitmapRequests.BitmapPatch;
import dev.dirtymap.http.BitmapRequests.Clear;
import dev.dirtymap.http.BitmapRequests.Copy;
import dev.dirtymap.http.BitmapRequests.Mark;
import dev.dirtymap.http.BitmapRequests.Merge;
import dev.dirtymap.http.BitmapRequests.NewBitmap;
import dev.dirtymap.http.BitmapRequests.Source;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.ChangeRefusedException;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.PatchMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/// Changes of bitmaps, each made whole or not at all and on the disk when it is answered.
@RestController
@RequestMapping(path = "/v1/images/{image}/bitmaps", produces = MediaType.APPLICATION_JSON_VALUE)
@Tag(name = "Bitmaps")
class BitmapChangesController {

    private static final String JSON = MediaType.APPLICATION_JSON_VALUE;

    private static final String OF_IMAGE =
            "An ETag of the image, or several with commas, or *: the change is only made while it holds.";
    private static final String OF_BITMAP =
            "An ETag of the bitmap, or several with commas, or *: the change is only made while it holds.";

    private final BitmapChanges changes;

    BitmapChangesController(BitmapChanges changes) {
        this.changes = changes;
    }

    @PostMapping(consumes = JSON)
    @Operation(
            operationId = "createBitmap",
            summary = "Create a bitmap",
            description = "An empty bitmap, behind all others of the image.")
    @ResponseStatus(HttpStatus.CREATED)
    ResponseEntity<BitmapBody> create(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = OF_IMAGE)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable NewBitmap body)
            throws ImageException, IOException {
        Id id = Ids.parse("image", image);
        NewBitmap bitmap = JsonBodies.require(body);
        return changes.create(
                id,
                bitmap.id(),
                List.of(),
                locked -> new IfMatch(ifMatch).requireImage(locked, id),
                (draft, _) ->
                        draft.create(
                                bitmap.id().name(),
                                bitmap.granularity(),
                                bitmap.enabled() == null || bitmap.enabled(),
                                ReferencePointBody.point(bitmap.referencePoint())));
    }

    @PatchMapping(
            path = "/{bitmap}",
            consumes = {JsonBodies.MERGE_PATCH, JSON})
    @Operation(
            operationId = "patchBitmap",
            summary = "Change a bitmap",
            description =
                    "A merge patch (RFC 7396) of enabled, name and referencePoint. A rename keeps content and"
                            + " reference point; the bitmap is then found under its new name.")
    ResponseEntity<BitmapBody> patch(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(description = OF_BITMAP)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable BitmapPatch body)
            throws ImageException, IOException {
        Id id = Ids.parse("bitmap", bitmap);
        BitmapPatch patch = body == null ? BitmapPatch.NOTHING : body;
        Id newName = patch.newName();
        Id result = newName == null ? id : newName;
        return changes.change(
                Ids.parse("image", image),
                id,
                List.of(),
                result,
                ifMatch,
                (draft, _) -> apply(patch, draft, id, result));
    }

    private static void apply(BitmapPatch patch, BitmapsDraft draft, Id bitmap, Id result)
            throws ChangeRefusedException, IOException {
        byte[] name = bitmap.name();
        if (patch.enabled() != null) {
            draft.enable(name, patch.enabled());
        }
        if (patch.removesReferencePoint()) {
            draft.refer(name, null);
        } else if (patch.referencePoint() != null) {
            draft.refer(name, patch.referencePoint().applyTo(draft.referencePoint(name)));
        }
        if (!result.equals(bitmap)) {
            draft.rename(name, result.name());
        }
    }

    @DeleteMapping("/{bitmap}")
    @Operation(
            operationId = "deleteBitmap",
            summary = "Delete a bitmap",
            description =
                    "In any state that leaves the directory readable. Of an ORPHANED bitmap only the entry goes;"
                            + " its clusters are freed by a check with repair LEAKS.")
    @ResponseStatus(HttpStatus.NO_CONTENT)
    ResponseEntity<Void> delete(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(description = OF_BITMAP)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id id = Ids.parse("bitmap", bitmap);
        return changes.make(
                List.of(imageId),
                List.of(),
                locked -> {
                    new IfMatch(ifMatch).requireBitmap(locked, imageId, id);
                    BitmapChanges.run(locked, imageId, (draft, _) -> draft.delete(id.name()));
                },
                _ -> ResponseEntity.noContent().build());
    }

    /// Which bitmaps to delete: those in a state of [BitmapState], by its name, or all.
    enum Doomed {
        CONSISTENT,
        INCONSISTENT,
        IN_USE,
        ORPHANED,
        UNSUPPORTED,
        CORRUPT,
        ALL;

        boolean takes(BitmapState state) {
            return this == ALL || state.name().equals(name());
        }
    }

    /// The parameters of a deletion of several bitmaps.
    record DeleteQuery(
            @Parameter(
                            description = "Bitmaps in this state, or ALL.",
                            required = true,
                            example = "INCONSISTENT")
                    @Nullable Doomed state) {}

    /// What was deleted.
    @Schema(
            name = "DeletedBitmaps",
            description = "Which bitmaps were deleted.",
            requiredProperties = "deleted")
    record Deleted(@Schema(description = "Their ids, in directory order.") List<String> deleted) {}

    @DeleteMapping
    @Operation(
            operationId = "deleteBitmaps",
            summary = "Delete all bitmaps in a state",
            description = "All bitmaps in one state, or ALL, at once. None is no error.")
    ResponseEntity<Deleted> deleteAll(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @ParameterObject DeleteQuery query,
            @Parameter(description = OF_IMAGE)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch)
            throws ImageException, IOException {
        Id id = Ids.parse("image", image);
        Doomed doomed = query.state();
        if (doomed == null) {
            throw ProblemException.invalid(
                    "state", "must be given: the state of the bitmaps to delete, or ALL");
        }
        List<String> deleted = new ArrayList<>();
        return changes.make(
                List.of(id),
                List.of(),
                locked -> {
                    new IfMatch(ifMatch).requireImage(locked, id);
                    BitmapChanges.run(
                            locked,
                            id,
                            (draft, _) ->
                                    draft.deleteAll(doomed::takes)
                                            .forEach(name -> deleted.add(Id.of(name).toString())));
                },
                locked -> {
                    AuditTrail.current().bitmaps(id, String.join(",", deleted));
                    return ResponseEntity.ok()
                            .eTag(ImageBody.of(id, locked.view(id)).etag())
                            .body(new Deleted(deleted));
                });
    }

    @PostMapping(path = "/{bitmap}/clear", consumes = JSON)
    @Operation(
            operationId = "clearBitmap",
            summary = "Clear a bitmap",
            description =
                    "Makes everything clean, and drops the reference point unless a new one is given.")
    ResponseEntity<BitmapBody> clear(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(description = OF_BITMAP)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable Clear body)
            throws ImageException, IOException {
        Id id = Ids.parse("bitmap", bitmap);
        ReferencePointBody point = body == null ? null : body.referencePoint();
        return changes.change(
                Ids.parse("image", image),
                id,
                List.of(),
                id,
                ifMatch,
                (draft, _) -> draft.clear(id.name(), ReferencePointBody.point(point)));
    }

    @PostMapping(path = "/{bitmap}/merge", consumes = JSON)
    @Operation(
            operationId = "mergeBitmaps",
            summary = "Merge bitmaps into this one",
            description =
                    "Makes dirty what is dirty in any of the sources, which may be of other granularities and in"
                            + " other images of the same size. The reference point stays.")
    ResponseEntity<BitmapBody> merge(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(description = OF_BITMAP)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable Merge body)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id id = Ids.parse("bitmap", bitmap);
        List<Source> sources = JsonBodies.require(body).sources();
        Set<Id> others =
                sources.stream()
                        .map(source -> source.imageOr(imageId))
                        .filter(other -> !other.equals(imageId))
                        .collect(Collectors.toSet());
        return changes.change(
                imageId,
                id,
                others,
                id,
                ifMatch,
                (draft, locked) -> {
                    for (Source source : sources) {
                        BitmapsDraft from = locked.draft(source.imageOr(imageId));
                        draft.merge(id.name(), from, source.bitmapName().name());
                    }
                });
    }

    @PostMapping(path = "/{bitmap}/copy", consumes = JSON)
    @Operation(
            operationId = "copyBitmap",
            summary = "Copy a bitmap",
            description =
                    "Makes a new bitmap with the content of this one and its reference point, in this image or"
                            + " another of the same size.")
    @ResponseStatus(HttpStatus.CREATED)
    ResponseEntity<BitmapBody> copy(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(description = OF_BITMAP)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable Copy body)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id id = Ids.parse("bitmap", bitmap);
        Copy copy = JsonBodies.require(body);
        Id target = copy.imageOr(imageId);
        return changes.create(
                target,
                copy.id(),
                target.equals(imageId) ? List.of() : List.of(imageId),
                locked -> new IfMatch(ifMatch).requireBitmap(locked, imageId, id),
                (draft, locked) ->
                        draft.copy(
                                locked.draft(imageId),
                                id.name(),
                                copy.id().name(),
                                copy.granularity(),
                                copy.enabled(),
                                ReferencePointBody.point(copy.referencePoint())));
    }

    @PostMapping(path = "/{bitmap}/mark", consumes = JSON)
    @Operation(
            operationId = "markBitmap",
            summary = "Mark ranges as dirty or clean",
            description =
                    "Dirty marks every granule that a range touches; clean marks only those wholly inside a"
                            + " range, and drops the reference point unless a new one is given.")
    ResponseEntity<BitmapBody> mark(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(description = "The bitmap's id.", example = "daily") @PathVariable
                    String bitmap,
            @Parameter(description = OF_BITMAP)
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable Mark body)
            throws ImageException, IOException {
        Id imageId = Ids.parse("image", image);
        Id id = Ids.parse("bitmap", bitmap);
        Mark mark = JsonBodies.require(body);
        return changes.change(
                imageId,
                id,
                List.of(),
                id,
                ifMatch,
                (draft, locked) -> {
                    try {
                        draft.mark(
                                id.name(),
                                mark.ranges(),
                                mark.dirty(),
                                ReferencePointBody.point(mark.referencePoint()));
                    } catch (ChangeRefusedException e) {
                        if (e.kind() != ChangeRefusedException.Kind.OUT_OF_RANGE) {
                            throw e;
                        }
                        throw new ProblemException(
                                        ProblemType.RANGE_NOT_SATISFIABLE,
                                        "image '%s': %s".formatted(imageId.text(), e.getMessage()))
                                .with(
                                        "virtualSize",
                                        locked.view(imageId).image().header().virtualSize());
                    }
                });
    }
}
