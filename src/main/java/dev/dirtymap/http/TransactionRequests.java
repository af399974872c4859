package dev.dirtymap.http;

import static dev.dirtymap.http.JsonReader.Member.optional;
import static dev.dirtymap.http.JsonReader.Member.required;

import dev.dirtymap.http.BitmapRequests.Source;
import dev.dirtymap.http.JsonReader.Member;
import dev.dirtymap.http.JsonReader.Members;
import dev.dirtymap.http.JsonReader.Shape;
import dev.dirtymap.images.Id;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What clients send to change several things at once.
final class TransactionRequests {

    private static final int MAX_OPERATIONS = 10_000;
    private static final int MAX_IMAGES = 1000;

    private static final String OPERATIONS = "operations";

    private TransactionRequests() {}

    /// What an operation does.
    enum Op {
        CREATE(
                false,
                BitmapRequests.GRANULARITY,
                BitmapRequests.ENABLED,
                BitmapRequests.REFERENCE_POINT),
        DELETE(false),
        CLEAR(false, BitmapRequests.REFERENCE_POINT),
        ENABLE(false),
        DISABLE(false),
        MERGE(false, BitmapRequests.SOURCES),
        COPY(
                true,
                "image",
                "imageId",
                BitmapRequests.GRANULARITY,
                BitmapRequests.ENABLED,
                BitmapRequests.REFERENCE_POINT),
        RENAME(true);

        private final boolean named;

        @SuppressWarnings("ImmutableEnumChecker") // made by Set.of
        private final Set<String> members;

        /// @param named whether the result has a name
        /// @param members those besides `op`, `bitmap` and `name`
        Op(boolean named, String... members) {
            this.named = named;
            this.members = Set.of(members);
        }

        private boolean takes(String member) {
            return members.contains(member)
                    || (named && (member.equals("name") || member.equals("nameId")));
        }
    }

    /// One operation.
    @Schema(
            name = "Operation",
            description =
                    "One change of one bitmap. CREATE takes granularity, enabled and referencePoint; CLEAR takes"
                            + " referencePoint; MERGE needs sources; COPY and RENAME need name; COPY also"
                            + " takes image, granularity, enabled and referencePoint. One of bitmap and"
                            + " bitmapId must be given.",
            requiredProperties = "op")
    record OperationBody(
            @Schema(description = "What to do.") Op op,
            @Schema(description = "The bitmap that is acted on; for CREATE the new one.")
                    @Nullable String bitmap,
            @Schema(description = "The same as an id, in place of bitmap, where it is not UTF-8.")
                    @Nullable String bitmapId,
            @Schema(description = "The name of the result of COPY or RENAME.")
                    @Nullable String name,
            @Schema(description = "The same as an id, in place of name.") @Nullable String nameId,
            @Schema(
                            description =
                                    "The image that gets the result of COPY, which must be part of the"
                                            + " transaction; by default the same image.")
                    @Nullable String image,
            @Schema(description = "The same as an id, in place of image.") @Nullable String imageId,
            @Schema(description = "Of CREATE and COPY: guest bytes that one bit stands for.")
                    @Nullable Long granularity,
            @Schema(description = "Of CREATE and COPY.") @Nullable Boolean enabled,
            @Schema(description = "Of CREATE, CLEAR and COPY.")
                    @Nullable ReferencePointBody referencePoint,
            @Schema(description = "Of MERGE: 1 to 1000 bitmaps to merge from.")
                    @Nullable List<Source> sources) {

        private static final List<Member> MEMBERS =
                List.of(
                        required("op", JsonReader.name(Op.class)),
                        optional("bitmap", NameRules.BITMAP),
                        optional("bitmapId", NameRules.BITMAP_ID),
                        optional("name", NameRules.BITMAP),
                        optional("nameId", NameRules.BITMAP_ID),
                        optional("image", NameRules.IMAGE),
                        optional("imageId", NameRules.IMAGE_ID),
                        optional(BitmapRequests.GRANULARITY, BitmapRequests.GRANULARITY_SHAPE),
                        optional(BitmapRequests.ENABLED, JsonReader::flag),
                        optional(BitmapRequests.REFERENCE_POINT, ReferencePointBody.SHAPE),
                        optional(
                                BitmapRequests.SOURCES,
                                JsonReader.list(Source.SHAPE, BitmapRequests.MAX_SOURCES)));

        static final Shape<OperationBody> SHAPE = JsonReader.object(MEMBERS, OperationBody::of);

        private static @Nullable OperationBody of(Members members) {
            Op op = members.require("op", Op.class);
            boolean fits = NameRules.requireOne(members, "bitmap");
            for (Member member : MEMBERS) {
                String name = member.name();
                boolean always =
                        name.equals("op") || name.equals("bitmap") || name.equals("bitmapId");
                if (!always && members.has(name) && !op.takes(name)) {
                    members.refuse(name, "is not a member of an operation " + op);
                    fits = false;
                }
            }
            if (op.named) {
                fits &= NameRules.requireOne(members, "name");
                fits &= NameRules.requireAtMostOne(members, "image");
            }
            if (op == Op.MERGE && !members.has(BitmapRequests.SOURCES)) {
                members.refuse(BitmapRequests.SOURCES, "must be given");
                fits = false;
            }
            return fits
                    ? new OperationBody(
                            op,
                            members.get("bitmap", String.class),
                            members.get("bitmapId", String.class),
                            members.get("name", String.class),
                            members.get("nameId", String.class),
                            members.get("image", String.class),
                            members.get("imageId", String.class),
                            members.get(BitmapRequests.GRANULARITY, Long.class),
                            members.get(BitmapRequests.ENABLED, Boolean.class),
                            members.get(BitmapRequests.REFERENCE_POINT, ReferencePointBody.class),
                            op == Op.MERGE
                                    ? members.list(BitmapRequests.SOURCES, Source.class)
                                    : null)
                    : null;
        }

        Id bitmapName() {
            return NameRules.id(bitmap, bitmapId);
        }

        Id newName() {
            return NameRules.id(name, nameId);
        }

        /// @param own the image of the bitmap that is acted on
        Id imageOr(Id own) {
            return image == null && imageId == null ? own : NameRules.id(image, imageId);
        }

        /// The bitmaps to merge from.
        List<Source> mergeSources() {
            return sources == null ? List.of() : sources;
        }
    }

    /// Operations on one image.
    @Schema(
            name = "TransactionRequest",
            description = "Operations on one image, which happen in this order, all or none.",
            requiredProperties = OPERATIONS)
    record Transaction(
            @Schema(description = "1 to 10000, each seeing what those before it did.")
                    List<OperationBody> operations) {

        static final Shape<Transaction> SHAPE =
                JsonReader.object(
                        List.of(
                                required(
                                        OPERATIONS,
                                        JsonReader.list(OperationBody.SHAPE, MAX_OPERATIONS))),
                        members -> new Transaction(members.list(OPERATIONS, OperationBody.class)));
    }

    /// Operations on one of several images.
    @Schema(
            name = "ImageOperations",
            description = "Operations on one image. One of image and imageId must be given.",
            requiredProperties = OPERATIONS)
    record ImageOperations(
            @Schema(description = "The image's name.", example = "vm1/disk0.qcow2")
                    @Nullable String image,
            @Schema(description = "The image's id, in place of image, where the name is not UTF-8.")
                    @Nullable String imageId,
            @Schema(
                            description =
                                    "Like the header If-Match: an ETag of the image, or several with commas, or *.")
                    @Nullable String ifMatch,
            @Schema(description = "1 to 10000, each seeing what those before it did.")
                    List<OperationBody> operations) {

        static final Shape<ImageOperations> SHAPE =
                JsonReader.object(
                        List.of(
                                optional("image", NameRules.IMAGE),
                                optional("imageId", NameRules.IMAGE_ID),
                                optional("ifMatch", JsonReader::text),
                                required(
                                        OPERATIONS,
                                        JsonReader.list(OperationBody.SHAPE, MAX_OPERATIONS))),
                        members ->
                                NameRules.requireOne(members, "image")
                                        ? new ImageOperations(
                                                members.get("image", String.class),
                                                members.get("imageId", String.class),
                                                members.get("ifMatch", String.class),
                                                members.list(OPERATIONS, OperationBody.class))
                                        : null);

        Id id() {
            return NameRules.id(image, imageId);
        }
    }

    /// Operations on several images.
    @Schema(
            name = "TransactionsRequest",
            description =
                    "Operations on several images, which happen in this order, all or none, whatever happens"
                            + " meanwhile.",
            requiredProperties = "images")
    record Transactions(
            @Schema(description = "1 to 1000 images, each named once.")
                    List<ImageOperations> images) {

        static final Shape<Transactions> SHAPE =
                JsonReader.object(
                        List.of(
                                required(
                                        "images",
                                        JsonReader.list(ImageOperations.SHAPE, MAX_IMAGES))),
                        Transactions::of);

        private static @Nullable Transactions of(Members members) {
            List<ImageOperations> images = members.list("images", ImageOperations.class);
            List<Id> ids = new ArrayList<>();
            boolean fits = true;
            for (int i = 0; i < images.size(); i++) {
                Id id = images.get(i).id();
                if (ids.contains(id)) {
                    members.refuse(
                            "images/%d/image".formatted(i),
                            "must be given once, but '%s' was given again".formatted(id.text()));
                    fits = false;
                }
                ids.add(id);
            }
            return fits ? new Transactions(images) : null;
        }
    }
}
