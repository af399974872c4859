package dev.dirtymap.http;

import dev.dirtymap.qcow2.Extent;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.RandomAccess;
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

    /// Extents held as two longs each: a page may have 100 000.
    static final class Extents extends AbstractList<ExtentBody> implements RandomAccess {

        private final boolean withState;
        private long[] offsets = new long[64];
        private long[] lengths = new long[64];
        private int size;
        private boolean firstDirty;

        /// @param withState whether each extent says if it is dirty; then dirty and clean ones alternate
        Extents(boolean withState) {
            this.withState = withState;
        }

        void append(Extent extent) {
            if (size == 0) {
                firstDirty = extent.dirty();
            }
            if (size == offsets.length) {
                offsets = Arrays.copyOf(offsets, size * 2);
                lengths = Arrays.copyOf(lengths, size * 2);
            }
            offsets[size] = extent.offset();
            lengths[size++] = extent.length();
        }

        @Override
        public ExtentBody get(int index) {
            if (index >= size) {
                throw new IndexOutOfBoundsException(index);
            }
            Boolean dirty = withState ? firstDirty == (index % 2 == 0) : null;
            return new ExtentBody(offsets[index], lengths[index], dirty);
        }

        @Override
        public int size() {
            return size;
        }
    }
}
