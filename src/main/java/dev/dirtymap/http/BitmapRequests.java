package dev.dirtymap.http;

import static dev.dirtymap.http.JsonReader.Member.optional;
import static dev.dirtymap.http.JsonReader.Member.removable;
import static dev.dirtymap.http.JsonReader.Member.required;

import dev.dirtymap.http.JsonReader.Members;
import dev.dirtymap.http.JsonReader.Shape;
import dev.dirtymap.images.Id;
import dev.dirtymap.qcow2.Extent;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What clients send to change a bitmap.
final class BitmapRequests {

    static final int MAX_SOURCES = 1000;
    private static final int MAX_RANGES = 100_000;

    static final String GRANULARITY = "granularity";
    static final String ENABLED = "enabled";
    static final String REFERENCE_POINT = "referencePoint";
    static final String SOURCES = "sources";

    static final Shape<Long> GRANULARITY_SHAPE = JsonReader.number(BitmapRequests::granularity);

    private BitmapRequests() {}

    private static Long granularity(Long value) {
        if (Long.bitCount(value) != 1 || value < 512 || value > 1L << 31) {
            throw new IllegalArgumentException(
                    "must be a power of two from 512 to 2147483648, but was " + value);
        }
        return value;
    }

    /// A new bitmap.
    @Schema(
            name = "NewBitmap",
            description = "A bitmap to be made. One of name and nameId must be given.")
    record NewBitmap(
            @Schema(
                            description = "Its name: 1 to 1023 bytes of UTF-8 without NUL.",
                            example = "daily")
                    @Nullable String name,
            @Schema(description = "Its name as an id, in place of name, where it is not UTF-8.")
                    @Nullable String nameId,
            @Schema(
                            description =
                                    "Guest bytes that one bit stands for, a power of two from 512 to 2 GiB; by"
                                            + " default the cluster size, but at least 4 KiB and at most 64"
                                            + " KiB.",
                            example = "65536")
                    @Nullable Long granularity,
            @Schema(
                            description =
                                    "Whether programs that write to the disk must keep it up to date; true by"
                                            + " default.",
                            defaultValue = "true")
                    @Nullable Boolean enabled,
            @Schema(description = "What it is relative to.")
                    @Nullable ReferencePointBody referencePoint) {

        static final Shape<NewBitmap> SHAPE =
                JsonReader.object(
                        List.of(
                                optional("name", NameRules.BITMAP),
                                optional("nameId", NameRules.BITMAP_ID),
                                optional(GRANULARITY, GRANULARITY_SHAPE),
                                optional(ENABLED, JsonReader::flag),
                                optional(REFERENCE_POINT, ReferencePointBody.SHAPE)),
                        members ->
                                NameRules.requireOne(members, "name")
                                        ? new NewBitmap(
                                                members.get("name", String.class),
                                                members.get("nameId", String.class),
                                                members.get(GRANULARITY, Long.class),
                                                members.get(ENABLED, Boolean.class),
                                                members.get(
                                                        REFERENCE_POINT, ReferencePointBody.class))
                                        : null);

        Id id() {
            return NameRules.id(name, nameId);
        }
    }

    /// A merge patch (RFC 7396) of a bitmap.
    @Schema(
            name = "BitmapPatch",
            description = "What to change of a bitmap; what is absent stays as it is.")
    record BitmapPatch(
            @Schema(
                            description =
                                    "Whether programs that write to the disk must keep it up to date.")
                    @Nullable Boolean enabled,
            @Schema(description = "A new name.", example = "weekly") @Nullable String name,
            @Schema(description = "A new name as an id, in place of name, where it is not UTF-8.")
                    @Nullable String nameId,
            @Schema(
                            implementation = ReferencePointBody.class,
                            description =
                                    "Members to change in what it is relative to; null removes one, and null in"
                                            + " place of this object removes all.")
                    ReferencePointBody.@Nullable Patch referencePoint,
            @Schema(hidden = true) boolean removesReferencePoint) {

        static final BitmapPatch NOTHING = new BitmapPatch(null, null, null, null, false);

        static final Shape<BitmapPatch> SHAPE =
                JsonReader.object(
                        List.of(
                                optional(ENABLED, JsonReader::flag),
                                optional("name", NameRules.BITMAP),
                                optional("nameId", NameRules.BITMAP_ID),
                                removable(REFERENCE_POINT, ReferencePointBody.PATCH)),
                        BitmapPatch::of);

        private static @Nullable BitmapPatch of(Members members) {
            if (!NameRules.requireAtMostOne(members, "name")) {
                return null;
            }
            var point = members.get(REFERENCE_POINT, ReferencePointBody.Patch.class);
            return new BitmapPatch(
                    members.get(ENABLED, Boolean.class),
                    members.get("name", String.class),
                    members.get("nameId", String.class),
                    point,
                    members.has(REFERENCE_POINT) && point == null);
        }

        /// The new name; null to keep the old one.
        @Nullable Id newName() {
            return name == null && nameId == null ? null : NameRules.id(name, nameId);
        }
    }

    /// What a cleared bitmap is relative to.
    @Schema(name = "ClearRequest", description = "What the cleared bitmap is relative to.")
    record Clear(
            @Schema(description = "What it is relative to from now on; absent for nothing.")
                    @Nullable ReferencePointBody referencePoint) {

        static final Shape<Clear> SHAPE =
                JsonReader.object(
                        List.of(optional(REFERENCE_POINT, ReferencePointBody.SHAPE)),
                        members ->
                                new Clear(members.get(REFERENCE_POINT, ReferencePointBody.class)));
    }

    /// A bitmap to merge from.
    @Schema(
            name = "MergeSource",
            description = "A bitmap to merge from. One of bitmap and bitmapId must be given.")
    record Source(
            @Schema(description = "Its name.", example = "monday") @Nullable String bitmap,
            @Schema(description = "Its name as an id, in place of bitmap.")
                    @Nullable String bitmapId,
            @Schema(
                            description =
                                    "The name of the image that has it; by default the image of the target.")
                    @Nullable String image,
            @Schema(description = "That image's id, in place of image.") @Nullable String imageId) {

        static final Shape<Source> SHAPE =
                JsonReader.object(
                        List.of(
                                optional("bitmap", NameRules.BITMAP),
                                optional("bitmapId", NameRules.BITMAP_ID),
                                optional("image", NameRules.IMAGE),
                                optional("imageId", NameRules.IMAGE_ID)),
                        members ->
                                NameRules.requireOne(members, "bitmap")
                                                && NameRules.requireAtMostOne(members, "image")
                                        ? new Source(
                                                members.get("bitmap", String.class),
                                                members.get("bitmapId", String.class),
                                                members.get("image", String.class),
                                                members.get("imageId", String.class))
                                        : null);

        Id bitmapName() {
            return NameRules.id(bitmap, bitmapId);
        }

        /// @param own the image of the target
        Id imageOr(Id own) {
            return image == null && imageId == null ? own : NameRules.id(image, imageId);
        }
    }

    /// Bitmaps to merge from.
    @Schema(
            name = "MergeRequest",
            description = "Which bitmaps to merge into this one.",
            requiredProperties = SOURCES)
    record Merge(
            @Schema(description = "1 to 1000 bitmaps, of any granularity.") List<Source> sources) {

        static final Shape<Merge> SHAPE =
                JsonReader.object(
                        List.of(required(SOURCES, JsonReader.list(Source.SHAPE, MAX_SOURCES))),
                        members -> new Merge(members.list(SOURCES, Source.class)));
    }

    /// Where to copy to.
    @Schema(
            name = "CopyRequest",
            description = "The copy to be made. One of name and nameId must be given.")
    record Copy(
            @Schema(description = "The name of the copy.", example = "daily-2")
                    @Nullable String name,
            @Schema(description = "The name of the copy as an id, in place of name.")
                    @Nullable String nameId,
            @Schema(description = "The name of the image that gets it; by default the same image.")
                    @Nullable String image,
            @Schema(description = "That image's id, in place of image.") @Nullable String imageId,
            @Schema(
                            description =
                                    "Guest bytes that one bit stands for, a power of two from 512 to 2 GiB; by"
                                            + " default that of the source.")
                    @Nullable Long granularity,
            @Schema(description = "By default that of the source.") @Nullable Boolean enabled,
            @Schema(description = "By default that of the source.")
                    @Nullable ReferencePointBody referencePoint) {

        static final Shape<Copy> SHAPE =
                JsonReader.object(
                        List.of(
                                optional("name", NameRules.BITMAP),
                                optional("nameId", NameRules.BITMAP_ID),
                                optional("image", NameRules.IMAGE),
                                optional("imageId", NameRules.IMAGE_ID),
                                optional(GRANULARITY, GRANULARITY_SHAPE),
                                optional(ENABLED, JsonReader::flag),
                                optional(REFERENCE_POINT, ReferencePointBody.SHAPE)),
                        members ->
                                NameRules.requireOne(members, "name")
                                                && NameRules.requireAtMostOne(members, "image")
                                        ? new Copy(
                                                members.get("name", String.class),
                                                members.get("nameId", String.class),
                                                members.get("image", String.class),
                                                members.get("imageId", String.class),
                                                members.get(GRANULARITY, Long.class),
                                                members.get(ENABLED, Boolean.class),
                                                members.get(
                                                        REFERENCE_POINT, ReferencePointBody.class))
                                        : null);

        Id id() {
            return NameRules.id(name, nameId);
        }

        /// @param own the image of the source
        Id imageOr(Id own) {
            return image == null && imageId == null ? own : NameRules.id(image, imageId);
        }
    }

    /// One range of a disk.
    @Schema(
            name = "Range",
            description = "A range of the disk.",
            requiredProperties = {"offset", "length"})
    record RangeBody(
            @Schema(description = "The first byte.", example = "1048576") long offset,
            @Schema(description = "How many bytes, at least 1.", example = "65536") long length) {}

    /// Ranges to make dirty or clean.
    @Schema(
            name = "MarkRequest",
            description = "Ranges of the disk to make dirty or clean.",
            requiredProperties = {"ranges", "dirty"})
    record Mark(
            @Schema(
                            description = "1 to 100000 ranges, in any order.",
                            type = "array",
                            implementation = RangeBody[].class)
                    List<Extent> ranges,
            @Schema(
                            description =
                                    "true makes dirty every granule that a range touches; false makes clean"
                                            + " only those that lie wholly inside a range.")
                    boolean dirty,
            @Schema(
                            description =
                                    "What the bitmap is relative to from now on. If it is absent, dirty keeps"
                                            + " what there is, and clean drops it.")
                    @Nullable ReferencePointBody referencePoint) {

        private static final Shape<Long> OFFSET = JsonReader.number(0, Long.MAX_VALUE);
        private static final Shape<Long> LENGTH = JsonReader.number(1, Long.MAX_VALUE);

        private static final Shape<Extent> RANGE =
                JsonReader.object(
                        List.of(required("offset", OFFSET), required("length", LENGTH)),
                        members ->
                                new Extent(
                                        members.require("offset", Long.class),
                                        members.require("length", Long.class),
                                        true));

        static final Shape<Mark> SHAPE =
                JsonReader.object(
                        List.of(
                                required("ranges", JsonReader.list(RANGE, MAX_RANGES)),
                                required("dirty", JsonReader::flag),
                                optional(REFERENCE_POINT, ReferencePointBody.SHAPE)),
                        members ->
                                new Mark(
                                        members.list("ranges", Extent.class),
                                        members.require("dirty", Boolean.class),
                                        members.get(REFERENCE_POINT, ReferencePointBody.class)));
    }
}
