package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import dev.dirtymap.qcow2.Algebra;
import dev.dirtymap.qcow2.Allocation;
import dev.dirtymap.qcow2.MapExtent;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.ValueSerializer;
import tools.jackson.databind.annotation.JsonSerialize;

/// One page of extents.
@Schema(
        name = "ExtentPage",
        description =
                "The extents of one span of the disk. Pages tile the window that was asked for.",
        requiredProperties = {
            "image",
            "imageId",
            "virtualSize",
            "exact",
            "offset",
            "length",
            "extents",
            "complete"
        })
record ExtentPage(
        @Schema(description = "The image's name.") String image,
        @Schema(description = "The image's id.") String imageId,
        @Schema(description = "The bitmap's name, where the list is of one.")
                @Nullable String bitmap,
        @Schema(description = "The bitmap's id, where the list is of one.")
                @Nullable String bitmapId,
        @Schema(description = "The ids of the bitmaps, where the list is of a combination.")
                @Nullable List<String> bitmapIds,
        @Schema(description = "How those are combined.") Algebra.@Nullable Operation combine,
        @Schema(description = "Size of the disk in bytes.") long virtualSize,
        @Schema(
                        description =
                                "Guest bytes that one bit stands for, the fewest of a combination; absent"
                                        + " where the list is of no bitmap.")
                @Nullable Long granularity,
        @Schema(description = "Whether the list is the bitmap's own, not widened.") boolean exact,
        @Schema(description = "What the bitmap is relative to; absent if nobody said.")
                @Nullable ReferencePointBody referencePoint,
        @Schema(description = "The first byte that this page speaks for.") long offset,
        @Schema(description = "How many bytes this page speaks for.") long length,
        @Schema(description = "Ascending; no two touch or overlap, but with state=ALL they tile.")
                List<ExtentBody> extents,
        @Schema(description = "Whether this is the last page.") boolean complete,
        @Schema(description = "Send it back as cursor for the next page; absent on the last one.")
                @Nullable String nextCursor) {

    /// One extent.
    @JsonSerialize(using = ExtentBody.Json.class)
    @Schema(
            name = "Extent",
            requiredProperties = {"offset", "length"})
    record ExtentBody(
            @Schema(description = "The first byte.") long offset,
            @Schema(description = "How many bytes.") long length,
            @Schema(description = "Only with state=ALL: whether the bytes are dirty.")
                    @Nullable Boolean dirty,
            @Schema(
                            description =
                                    "Only of the image's map, or with include=ALLOCATION: whether the image has"
                                            + " DATA there, or says ZERO, or says nothing (UNALLOCATED).")
                    @Nullable Allocation allocation,
            @Schema(
                            description =
                                    "Only with chain=true: which file of the chain it is in, 0 for the image"
                                            + " itself, 1 for its backing file.")
                    @Nullable Integer depth,
            @Schema(
                            description =
                                    "Only where allocation is told: whether zeros are read. Data may be zeros"
                                            + " because the file has a hole there.")
                    @Nullable Boolean zero,
            @Schema(description = "Whether it is compressed; absent where it is not.")
                    @Nullable Boolean compressed,
            @Schema(
                            description =
                                    "Where the bytes begin in the file, or in its external data file; absent"
                                            + " where they have no place, or are compressed or encrypted.")
                    long hostOffset) {

        /// Writes what there is of an extent. There are thousands in a page, and by handles to the components, Jackson's
        /// way, they took a third of the time of the whole answer.
        static final class Json extends ValueSerializer<ExtentBody> {

            @Override
            public void serialize(
                    ExtentBody extent, JsonGenerator json, SerializationContext context) {
                json.writeStartObject();
                json.writeNumberProperty("offset", extent.offset);
                json.writeNumberProperty("length", extent.length);
                write(json, "dirty", extent.dirty);
                if (extent.allocation != null) {
                    json.writeStringProperty("allocation", extent.allocation.name());
                }
                if (extent.depth != null) {
                    json.writeNumberProperty("depth", extent.depth);
                }
                write(json, "zero", extent.zero);
                write(json, "compressed", extent.compressed);
                if (extent.hostOffset >= 0) {
                    json.writeNumberProperty("hostOffset", extent.hostOffset);
                }
                json.writeEndObject();
            }

            private static void write(JsonGenerator json, String name, @Nullable Boolean value) {
                if (value != null) {
                    json.writeBooleanProperty(name, value);
                }
            }
        }

        /// A part of the disk that is dirty or clean.
        ///
        /// @param dirty null where all in the list are the same
        static ExtentBody of(long offset, long length, @Nullable Boolean dirty) {
            return new ExtentBody(offset, length, dirty, null, null, null, null, -1);
        }

        /// A part of the map.
        ///
        /// @param dirty null where that is not told
        static ExtentBody of(
                long offset,
                long length,
                @Nullable Boolean dirty,
                MapExtent map,
                boolean withDepth) {
            long inMap = offset - map.offset();
            return new ExtentBody(
                    offset,
                    length,
                    dirty,
                    map.allocation(),
                    withDepth ? map.depth() : null,
                    map.zero(),
                    map.compressed() ? true : null,
                    map.hostOffset() < 0 ? -1 : map.hostOffset() + inMap);
        }

        /// A part of this.
        ///
        /// @param from how many bytes to leave out in front
        ExtentBody part(long from, long partLength) {
            return new ExtentBody(
                    offset + from,
                    partLength,
                    dirty,
                    allocation,
                    depth,
                    zero,
                    compressed,
                    hostOffset < 0 ? -1 : hostOffset + from);
        }
    }

    /// A page without extents.
    ///
    /// @param bitmaps what the list is of; none for the map
    /// @param combine null for one bitmap alone
    static ExtentPage of(
            Id image,
            List<Id> bitmaps,
            Algebra.@Nullable Operation combine,
            long virtualSize,
            @Nullable Long granularity,
            boolean exact,
            @Nullable ReferencePointBody referencePoint,
            long offset,
            long length) {
        Id only = bitmaps.size() == 1 && combine == null ? bitmaps.getFirst() : null;
        return new ExtentPage(
                image.text(),
                image.toString(),
                only == null ? null : only.text(),
                only == null ? null : only.toString(),
                combine == null ? null : bitmaps.stream().map(Id::toString).toList(),
                combine,
                virtualSize,
                granularity,
                exact,
                referencePoint,
                offset,
                length,
                List.of(),
                true,
                null);
    }

    /// This page with its extents.
    ///
    /// @param length how many bytes it speaks for
    /// @param nextCursor null on the last page
    ExtentPage with(long length, List<ExtentBody> extents, @Nullable String nextCursor) {
        return new ExtentPage(
                image,
                imageId,
                bitmap,
                bitmapId,
                bitmapIds,
                combine,
                virtualSize,
                granularity,
                exact,
                referencePoint,
                offset,
                length,
                extents,
                nextCursor == null,
                nextCursor);
    }
}
