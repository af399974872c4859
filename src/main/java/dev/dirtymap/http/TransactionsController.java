package dev.dirtymap.http;

import dev.dirtymap.access.AuditTrail;
import dev.dirtymap.access.Callers;
import dev.dirtymap.http.BitmapRequests.Source;
import dev.dirtymap.http.TransactionRequests.ImageOperations;
import dev.dirtymap.http.TransactionRequests.Op;
import dev.dirtymap.http.TransactionRequests.OperationBody;
import dev.dirtymap.http.TransactionRequests.Transaction;
import dev.dirtymap.http.TransactionRequests.Transactions;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageNotFoundException;
import dev.dirtymap.images.ImageRefusedException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.LockedImages;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.ChangeRefusedException;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

/// Several changes at once: all of them, or none.
@RestController
@Tag(name = "Transactions")
class TransactionsController {

    private static final String JSON = MediaType.APPLICATION_JSON_VALUE;

    private final BitmapChanges changes;
    private final Callers callers;

    TransactionsController(BitmapChanges changes, Callers callers) {
        this.changes = changes;
        this.callers = callers;
    }

    /// The bitmaps of an image after a transaction.
    @Schema(
            name = "TransactionResult",
            description = "All bitmaps of the image after the transaction.",
            requiredProperties = "bitmaps")
    record Result(
            @Schema(
                            description =
                                    "In directory order. Where there are very many bits, the last ones come without"
                                            + " totals.")
                    List<BitmapBody> bitmaps) {}

    /// One of several images after a transaction.
    @Schema(
            name = "ImageResult",
            description = "All bitmaps of one image after the transaction.",
            requiredProperties = {"image", "imageId", "etag", "bitmaps"})
    record ImageResult(
            @Schema(description = "The image's name.") String image,
            @Schema(description = "The image's id.") String imageId,
            @Schema(description = "The image's ETag, to be sent as the next ifMatch.") String etag,
            @Schema(
                            description =
                                    "In directory order. Where there are very many bits, the last ones come without"
                                            + " totals.")
                    List<BitmapBody> bitmaps) {}

    /// Several images after a transaction.
    @Schema(
            name = "TransactionsResult",
            description = "All bitmaps of the images after the transaction.",
            requiredProperties = "images")
    record Results(
            @Schema(description = "In the order of the request.") List<ImageResult> images) {}

    @PostMapping(path = "/v1/images/{image}/transactions", consumes = JSON, produces = JSON)
    @Operation(
            operationId = "runTransaction",
            summary = "Change several bitmaps of an image at once",
            description =
                    "The operations are made one after the other, each seeing what those before it did, and all"
                            + " become true in one commit or none does. A refused one is named by the member"
                            + " index of the problem.")
    ResponseEntity<Result> one(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image,
            @Parameter(
                            description =
                                    "An ETag of the image, or several with commas, or *: the change is only made"
                                            + " while it holds.")
                    @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable Transaction body)
            throws ImageException, IOException {
        Id id = Ids.parse("image", image);
        List<OperationBody> operations = JsonBodies.require(body).operations();
        Work work = new Work(false);
        work.add(id, ifMatch, operations, "");
        return work.run(locked -> {
            ImageView view = locked.view(id);
            return ResponseEntity.ok()
                    .eTag(ImageBody.of(id, view).etag())
                    .body(new Result(BitmapChanges.all(view)));
        });
    }

    @PostMapping(path = "/v1/transactions", consumes = JSON, produces = JSON)
    @Operation(
            operationId = "runTransactions",
            summary = "Change bitmaps of several images at once",
            description =
                    "As for one image, across images: all changes become true or none does, even if the service"
                            + " is killed meanwhile. A refused operation is named by the members image and"
                            + " index of the problem. The ETag that an image must be at stands in its"
                            + " ifMatch.")
    ResponseEntity<Results> several(
            @Parameter(hidden = true) @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable Transactions body)
            throws ImageException, IOException {
        if (ifMatch != null) {
            throw ProblemException.invalid(
                    HttpHeaders.IF_MATCH, "must stand in the body, as ifMatch of each image");
        }
        List<ImageOperations> parts = JsonBodies.require(body).images();
        Work work = new Work(true);
        for (int i = 0; i < parts.size(); i++) {
            ImageOperations part = parts.get(i);
            work.add(part.id(), part.ifMatch(), part.operations(), "/images/" + i);
        }
        return work.run(locked -> {
            List<ImageResult> results = new ArrayList<>();
            for (ImageOperations part : parts) {
                Id id = part.id();
                ImageView view = locked.view(id);
                results.add(
                        new ImageResult(
                                id.text(),
                                id.toString(),
                                ImageBody.of(id, view).etag(),
                                BitmapChanges.all(view)));
            }
            return ResponseEntity.ok().body(new Results(results));
        });
    }

    /// What one transaction is to do.
    private final class Work {

        private record Part(IfMatch ifMatch, List<OperationBody> operations, String pointer) {}

        private final boolean namesImages;
        private final Map<Id, Part> parts = new LinkedHashMap<>();

        /// @param namesImages whether a problem must say which image it is about
        Work(boolean namesImages) {
            this.namesImages = namesImages;
        }

        /// @param pointer where this stands in the body
        void add(
                Id image,
                @Nullable String ifMatch,
                List<OperationBody> operations,
                String pointer) {
            operations.forEach(operation -> callers.require(operation.op().name()));
            AuditTrail.current()
                    .bitmaps(
                            image,
                            operations.stream()
                                    .map(one -> one.op() + ":" + one.bitmapName())
                                    .collect(Collectors.joining(",")));
            parts.put(image, new Part(new IfMatch(ifMatch), operations, pointer));
        }

        <T> T run(Images.Answer<T> answer) throws ImageException, IOException {
            Set<Id> sources = sources();
            try {
                return changes.make(parts.keySet(), sources, this::operate, answer);
            } catch (ImageNotFoundException e) {
                if (sources.contains(e.image())) {
                    throw missingSource(e);
                }
                throw e;
            }
        }

        /// Names the operation that wants to merge from an image that is not there.
        private OperationRefusedException missingSource(ImageNotFoundException e) {
            for (Map.Entry<Id, Part> part : parts.entrySet()) {
                List<OperationBody> operations = part.getValue().operations;
                for (int i = 0; i < operations.size(); i++) {
                    if (operations.get(i).mergeSources().stream()
                            .anyMatch(s -> s.imageOr(part.getKey()).equals(e.image()))) {
                        return refused(e, part.getKey(), i);
                    }
                }
            }
            throw new IllegalStateException("no operation reads from that image", e);
        }

        private OperationRefusedException refused(ImageException e, Id image, int index) {
            return new OperationRefusedException(e, index, namesImages ? image.text() : null);
        }

        /// The images that are only read from. A copy goes nowhere else than to an image that is part of this.
        private Set<Id> sources() {
            Set<Id> sources = new LinkedHashSet<>();
            parts.forEach((image, part) -> {
                for (int i = 0; i < part.operations.size(); i++) {
                    OperationBody operation = part.operations.get(i);
                    for (Source source : operation.mergeSources()) {
                        sources.add(source.imageOr(image));
                    }
                    if (operation.op() == Op.COPY && !parts.containsKey(operation.imageOr(image))) {
                        throw ProblemException.inBody(
                                "%s/operations/%d/image".formatted(part.pointer, i),
                                "must be part of the transaction, but '%s' is not"
                                        .formatted(operation.imageOr(image).text()));
                    }
                }
            });
            sources.removeAll(parts.keySet());
            return sources;
        }

        private void operate(LockedImages locked) throws ImageException, IOException {
            for (Map.Entry<Id, Part> part : parts.entrySet()) {
                part.getValue().ifMatch.requireImage(locked, part.getKey());
            }
            for (Map.Entry<Id, Part> part : parts.entrySet()) {
                List<OperationBody> operations = part.getValue().operations;
                for (int i = 0; i < operations.size(); i++) {
                    operate(locked, part.getKey(), operations.get(i), i);
                }
            }
        }

        private void operate(LockedImages locked, Id image, OperationBody operation, int index)
                throws IOException {
            try {
                try {
                    apply(operation, image, locked);
                } catch (ChangeRefusedException e) {
                    throw new ImageRefusedException(image, e);
                }
            } catch (ImageException e) {
                throw refused(e, image, index);
            }
        }
    }

    private static void apply(OperationBody operation, Id image, LockedImages locked)
            throws ImageException, ChangeRefusedException, IOException {
        BitmapsDraft draft = locked.draft(image);
        byte[] name = operation.bitmapName().name();
        switch (operation.op()) {
            case CREATE ->
                    draft.create(
                            name,
                            operation.granularity(),
                            operation.enabled() == null || operation.enabled(),
                            ReferencePointBody.point(operation.referencePoint()));
            case DELETE -> draft.delete(name);
            case CLEAR -> draft.clear(name, ReferencePointBody.point(operation.referencePoint()));
            case ENABLE -> draft.enable(name, true);
            case DISABLE -> draft.enable(name, false);
            case MERGE -> {
                for (Source source : operation.mergeSources()) {
                    BitmapsDraft from = locked.draft(source.imageOr(image));
                    draft.merge(name, from, source.bitmapName().name());
                }
            }
            case COPY ->
                    locked.draft(operation.imageOr(image))
                            .copy(
                                    draft,
                                    name,
                                    operation.newName().name(),
                                    operation.granularity(),
                                    operation.enabled(),
                                    ReferencePointBody.point(operation.referencePoint()));
            case RENAME -> draft.rename(name, operation.newName().name());
        }
    }
}
