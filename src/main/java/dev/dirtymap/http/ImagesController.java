package dev.dirtymap.http;

import dev.dirtymap.access.AuditTrail;
import dev.dirtymap.http.ImageBody.Described;
import dev.dirtymap.http.ImageBody.State;
import dev.dirtymap.http.JsonReader.Member;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageNotFoundException;
import dev.dirtymap.images.ImageUnreadableException;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.images.Outline;
import dev.dirtymap.qcow2.BitmapsState;
import dev.dirtymap.qcow2.NewImage;
import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.tags.Tag;
import jakarta.validation.Valid;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springdoc.core.annotations.ParameterObject;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/// The images below the root folder.
@RestController
@RequestMapping(path = "/v1/images", produces = MediaType.APPLICATION_JSON_VALUE)
@Tag(name = "Images")
class ImagesController {

    private static final Logger LOG = LoggerFactory.getLogger(ImagesController.class);

    private static final int DEFAULT_LIMIT = 100;
    private static final int DEFAULT_CLUSTER_SIZE = 65536;

    /// How much work one page may be: files that are read, and time. What is not reached is left to the next
    /// page.
    private static final int MAX_FILES = 10_000;

    private static final long MAX_NANOS = TimeUnit.SECONDS.toNanos(5);

    private static final String CURSOR = "images";

    private final Images images;

    ImagesController(Images images) {
        this.images = images;
    }

    /// The parameters of a list of images.
    record ListQuery(
            @Parameter(description = "How many images at most, 1 to 1000; 100 by default.")
                    @Min(1)
                    @Max(1000)
                    @Schema(example = "100")
                    @Nullable Integer limit,
            @Parameter(
                            description =
                                    "The nextCursor of the page before, with the same filters or none."
                                            + " It is as long as the names of images make it.")
                    @Nullable String cursor,
            @Parameter(
                            description =
                                    "Only images whose name begins with these bytes, encoded like an id.")
                    @Nullable String prefix,
            @Parameter(description = "Only images in this state.") @Nullable State state,
            @Parameter(description = "Only images whose bitmaps are in this state.")
                    @Nullable BitmapsState bitmapsState,
            @Parameter(description = "Only images with, or without, an INCONSISTENT bitmap.")
                    @Nullable Boolean hasInconsistent) {}

    /// One page of images.
    @Schema(name = "ImageList", description = "One page of images.", requiredProperties = "images")
    record ImageList(
            @Schema(description = "Sorted by the bytes of their names.") List<ImageBody> images,
            @Schema(
                            description =
                                    "Send it back as cursor for the next page, which may be empty; absent on"
                                            + " the last page.")
                    @Nullable String nextCursor) {}

    @GetMapping
    @Operation(
            operationId = "listImages",
            summary = "List images",
            description =
                    "All qcow2 files below the root folder, sub-folders included, sorted by name. Files of"
                            + " other formats, symbolic links and devices are left out. A page may hold"
                            + " fewer images than the limit and still have a nextCursor.")
    ResponseEntity<ImageList> list(@ParameterObject @Valid ListQuery query) throws IOException {
        Filter filter = Filter.of(query);
        Page found = new Page(filter, query.limit() == null ? DEFAULT_LIMIT : query.limit());
        images.walk(filter.prefix.name(), filter.after == null ? null : filter.after.name(), found);
        ImageList page = found.list();
        return ResponseEntity.ok().eTag(Digest.weakEtag(page)).body(page);
    }

    /// An image to be made.
    @Schema(
            name = "NewImage",
            description = "An image to be made. One of name and nameId must be given.",
            requiredProperties = "virtualSize")
    record NewImageBody(
            @Schema(
                            description =
                                    "Its path below the root folder. Folders that are missing are made.",
                            example = "vm2/disk0.qcow2")
                    @Nullable String name,
            @Schema(description = "The same as an id, in place of name, where it is not UTF-8.")
                    @Nullable String nameId,
            @Schema(
                            description = "Size of the disk in bytes, a multiple of 512.",
                            example = "10737418240")
                    long virtualSize,
            @Schema(
                            description =
                                    "Bytes of one cluster, a power of two from 512 to 2 MiB; 65536 by default.",
                            defaultValue = "65536")
                    @Nullable Long clusterSize) {

        static final JsonReader.Shape<NewImageBody> SHAPE =
                JsonReader.object(
                        List.of(
                                Member.optional("name", NameRules.IMAGE),
                                Member.optional("nameId", NameRules.IMAGE_ID),
                                Member.required(
                                        "virtualSize",
                                        JsonReader.number(NewImageBody::virtualSize)),
                                Member.optional(
                                        "clusterSize",
                                        JsonReader.number(NewImageBody::clusterSize))),
                        members ->
                                NameRules.requireOne(members, "name")
                                        ? new NewImageBody(
                                                members.get("name", String.class),
                                                members.get("nameId", String.class),
                                                members.require("virtualSize", Long.class),
                                                members.get("clusterSize", Long.class))
                                        : null);

        private static Long virtualSize(Long size) {
            if (size % 512 != 0) {
                throw new IllegalArgumentException("must be a multiple of 512, but was " + size);
            }
            return size;
        }

        private static Long clusterSize(Long size) {
            if (Long.bitCount(size) != 1 || size < 512 || size > 2 << 20) {
                throw new IllegalArgumentException(
                        "must be a power of two from 512 to 2097152, but was " + size);
            }
            return size;
        }

        Id id() {
            return NameRules.id(name, nameId);
        }

        /// @throws ProblemException 422 if the format has no such image
        NewImage image() {
            int bytes = clusterSize == null ? DEFAULT_CLUSTER_SIZE : clusterSize.intValue();
            try {
                return new NewImage(virtualSize, bytes);
            } catch (IllegalArgumentException e) {
                throw new ProblemException(
                        ProblemType.LIMIT_EXCEEDED, String.valueOf(e.getMessage()));
            }
        }
    }

    @PostMapping(consumes = MediaType.APPLICATION_JSON_VALUE)
    @Operation(
            operationId = "createImage",
            summary = "Create an image",
            description =
                    "An empty image of version 3, with the folders that its name takes. No file is ever"
                            + " overwritten.")
    @ResponseStatus(HttpStatus.CREATED)
    ResponseEntity<ImageBody> create(
            @Parameter(hidden = true) @RequestHeader(name = HttpHeaders.IF_MATCH, required = false)
                    @Nullable String ifMatch,
            @RequestBody(required = false) @Nullable NewImageBody body)
            throws ImageException, IOException {
        NewImageBody wanted = JsonBodies.require(body);
        Id id = wanted.id();
        AuditTrail.current().images(List.of(id));
        new IfMatch(ifMatch).requireAbsent("the list of images");
        images.create(id, wanted.image());
        Described described = images.read(id, open -> described(open, true));
        AuditTrail.current().after(id, described.etag());
        return ResponseEntity.created(URI.create("/v1/images/" + id))
                .eTag(described.etag())
                .body(described.body());
    }

    @GetMapping("/{image}")
    @Operation(
            operationId = "getImage",
            summary = "Get an image",
            description =
                    "What the file says about itself, and whether its bitmaps can be trusted.")
    ResponseEntity<ImageBody> get(
            @Parameter(description = "The image's id.", example = "sample.qcow2") @PathVariable
                    String image)
            throws ImageException, IOException {
        Id id = Ids.parse("image", image);
        Described described;
        try {
            described = images.read(id, open -> described(open, true));
        } catch (ImageUnreadableException e) {
            described = ImageBody.unreadable(id, e.reason());
        }
        return ResponseEntity.ok().eTag(described.etag()).body(described.body());
    }

    /// What a walk has found so far.
    private final class Page implements Images.Visitor {

        private final Filter filter;
        private final int limit;
        private final List<ImageBody> found = new ArrayList<>();
        private final long deadline = System.nanoTime() + MAX_NANOS;
        private int files;
        private @Nullable Id last;
        private boolean more;

        Page(Filter filter, int limit) {
            this.filter = filter;
            this.limit = limit;
        }

        /// Each page gets one file further at least, so that no list stands still.
        @Override
        public boolean visit(Id file, @Nullable Outline outline) {
            boolean full =
                    found.size() == limit
                            || files == MAX_FILES
                            || System.nanoTime() - deadline >= 0;
            if (full && last != null) {
                more = true;
                return false;
            }
            last = file;
            if (outline != null && !filter.mayAccept(outline)) {
                return true;
            }
            files++;
            Described image = describe(file);
            if (image != null && filter.accepts(image)) {
                found.add(image.body());
            }
            return true;
        }

        ImageList list() {
            return new ImageList(found, more && last != null ? filter.cursor(last).seal() : null);
        }
    }

    /// One file of a list; null if it is no image, or gone. A file that cannot be read never hides the
    /// others.
    private @Nullable Described describe(Id file) {
        try {
            return images.readAsItIs(file, open -> described(open, false));
        } catch (ImageNotFoundException e) {
            return null;
        } catch (ImageUnreadableException e) {
            return ImageBody.unreadable(file, e.reason());
        } catch (ImageException | IOException e) {
            LOG.warn("{} cannot be read", file, e);
            return ImageBody.unreadable(file, String.valueOf(e.getMessage()));
        }
    }

    private static Described described(OpenImage open, boolean settled)
            throws ImageException, IOException {
        try {
            return settled
                    ? open.look(view -> ImageBody.of(open.id(), view))
                    : open.glance(view -> ImageBody.of(open.id(), view));
        } catch (ImageUnreadableException e) {
            return ImageBody.unreadable(open, e);
        }
    }

    /// What a list is narrowed to, and where it goes on.
    private record Filter(
            Id prefix,
            @Nullable State state,
            @Nullable BitmapsState bitmapsState,
            @Nullable Boolean hasInconsistent,
            @Nullable Id after) {

        static Filter of(ListQuery query) {
            if (query.cursor() == null) {
                return new Filter(
                        Ids.parse("prefix", query.prefix() == null ? "" : query.prefix()),
                        query.state(),
                        query.bitmapsState(),
                        query.hasInconsistent(),
                        null);
            }
            Cursor cursor = Cursor.open(query.cursor(), CURSOR, 5);
            requireSame(cursor, 0, query.prefix(), "prefix");
            requireSame(cursor, 1, query.state(), "state");
            requireSame(cursor, 2, query.bitmapsState(), "bitmapsState");
            requireSame(cursor, 3, query.hasInconsistent(), "hasInconsistent");
            return new Filter(
                    cursor.id(0),
                    cursor.isSet(1) ? cursor.name(1, State.class) : null,
                    cursor.isSet(2) ? cursor.name(2, BitmapsState.class) : null,
                    cursor.isSet(3) ? Boolean.valueOf(cursor.fields().get(3)) : null,
                    cursor.id(4));
        }

        private static void requireSame(
                Cursor cursor, int field, @Nullable Object value, String what) {
            if (value != null) {
                cursor.require(field, value.toString(), what);
            }
        }

        /// False if no image that is like this is accepted, whether a program holds it or not.
        boolean mayAccept(Outline outline) {
            return switch (outline) {
                case Outline.NoImage _ -> false;
                case Outline.Broken _ ->
                        (state == null || state == State.UNREADABLE)
                                && bitmapsState == null
                                && !Boolean.TRUE.equals(hasInconsistent);
                case Outline.Legible image ->
                        // A disk may fail to read what it could read before, and no time shows it.
                        (bitmapsState == null || bitmapsState == image.bitmapsState())
                                && (image.inUse() || !Boolean.TRUE.equals(hasInconsistent));
            };
        }

        boolean accepts(Described image) {
            return (state == null || image.body().state() == state)
                    && (bitmapsState == null || image.body().bitmapsState() == bitmapsState)
                    && (hasInconsistent == null || image.hasInconsistent() == hasInconsistent);
        }

        Cursor cursor(Id last) {
            return new Cursor(
                    CURSOR,
                    List.of(
                            prefix.toString(),
                            state == null ? "" : state.name(),
                            bitmapsState == null ? "" : bitmapsState.name(),
                            hasInconsistent == null ? "" : hasInconsistent.toString(),
                            last.toString()));
        }
    }
}
