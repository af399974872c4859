package dev.dirtymap.http;

import dev.dirtymap.access.Callers;
import dev.dirtymap.http.JsonReader.Member;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.LockedImages;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.Repair;
import dev.dirtymap.qcow2.RepairAction;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import java.io.IOException;
import java.util.ArrayList;
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

    private final BitmapChanges changes;
    private final Callers callers;

    CheckController(BitmapChanges changes, Callers callers) {
        this.changes = changes;
        this.callers = callers;
    }

    /// What to repair.
    enum RepairKind {
        /// Frees leaked clusters.
        LEAKS,
        /// Gives up bitmaps that break the format.
        BITMAPS
    }

    /// How to check.
    @Schema(name = "CheckRequest", description = "What to repair, if anything.")
    record CheckRequest(
            @Schema(
                            description =
                                    "LEAKS frees leaked clusters. BITMAPS gives up the bitmaps that break the"
                                            + " format, so that QEMU opens the image again, and keeps all others."
                                            + " Neither touches guest data. Absent: nothing is repaired.")
                    @Nullable RepairKind repair,
            @Schema(
                            description = "Whether only to say what the repair would do.",
                            defaultValue = "false")
                    @Nullable Boolean dryRun,
            @Schema(
                            description =
                                    "With BITMAPS: whether bitmaps that are legal but unknown to us or QEMU go"
                                            + " too.",
                            defaultValue = "false")
                    @Nullable Boolean dropUnsupported) {

        static final CheckRequest NOTHING = new CheckRequest(null, null, null);

        static final JsonReader.Shape<CheckRequest> SHAPE =
                JsonReader.object(
                        List.of(
                                Member.optional("repair", JsonReader.name(RepairKind.class)),
                                Member.optional("dryRun", JsonReader::flag),
                                Member.optional("dropUnsupported", JsonReader::flag)),
                        CheckRequest::of);

        private static @Nullable CheckRequest of(JsonReader.Members members) {
            RepairKind repair = members.get("repair", RepairKind.class);
            if (members.has("dropUnsupported") && repair != RepairKind.BITMAPS) {
                members.refuse("dropUnsupported", "is a member with repair BITMAPS only");
                return null;
            }
            return new CheckRequest(
                    repair,
                    members.get("dryRun", Boolean.class),
                    members.get("dropUnsupported", Boolean.class));
        }

        private boolean changes() {
            return repair != null && !Boolean.TRUE.equals(dryRun);
        }

        private boolean dropsUnsupported() {
            return Boolean.TRUE.equals(dropUnsupported);
        }
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
                            + " other, and goes on where qemu-img check gives up. With repair the report is that of"
                            + " the image afterwards, and of a dryRun that of the image as it is.")
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
        CheckRequest request = body == null ? CheckRequest.NOTHING : body;
        callers.require(request.changes() ? "repair" : "checkImage");
        List<RepairAction> actions = new ArrayList<>();
        return changes.make(
                request.changes() ? List.of(id) : List.of(),
                request.changes() ? List.of() : List.of(id),
                locked -> {
                    new IfMatch(ifMatch).requireImage(locked, id);
                    actions.addAll(repair(locked, id, request));
                },
                locked ->
                        ResponseEntity.ok(
                                CheckBody.of(
                                        locked.check(id),
                                        request.repair() == null ? null : actions)));
    }

    private static List<RepairAction> repair(LockedImages locked, Id image, CheckRequest request)
            throws ImageException, ChangeRefusedException, IOException {
        return switch (request.repair()) {
            case null -> List.of();
            case LEAKS ->
                    request.changes()
                            ? locked.repairLeaks(image)
                            : Repair.leaks(locked.view(image).file(), true);
            case BITMAPS -> {
                if (request.changes()) {
                    yield locked.repairBitmaps(image, request.dropsUnsupported());
                }
                ImageView view = locked.view(image);
                yield Repair.bitmaps(view.image(), view.file(), request.dropsUnsupported(), true);
            }
        };
    }
}
