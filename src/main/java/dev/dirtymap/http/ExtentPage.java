package dev.dirtymap.http;

import io.swagger.v3.oas.annotations.media.Schema;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One page of extents.
@Schema(
        name = "ExtentPage",
        description =
                "The extents of one span of the disk. Pages tile the window that was asked for.",
        requiredProperties = {
            "image",
            "imageId",
            "bitmap",
            "bitmapId",
            "virtualSize",
            "granularity",
            "exact",
            "offset",
            "length",
            "extents",
            "complete"
        })
record ExtentPage(
        @Schema(description = "The image's name.") String image,
        @Schema(description = "The image's id.") String imageId,
        @Schema(description = "The bitmap's name.") String bitmap,
        @Schema(description = "The bitmap's id.") String bitmapId,
        @Schema(description = "Size of the disk in bytes.") long virtualSize,
        @Schema(description = "Guest bytes that one bit stands for.") long granularity,
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
    @Schema(
            name = "Extent",
            requiredProperties = {"offset", "length"})
    record ExtentBody(
            @Schema(description = "The first byte.") long offset,
            @Schema(description = "How many bytes.") long length,
            @Schema(description = "Only with state=ALL: whether the bytes are dirty.")
                    @Nullable Boolean dirty) {}

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
