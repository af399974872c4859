package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.ReferencePoints;
import dev.dirtymap.qcow2.Totals;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/// One bitmap as it goes over the wire.
@Schema(
        name = "Bitmap",
        description = "One dirty bitmap of an image.",
        requiredProperties = {"id", "name", "type", "enabled", "state"})
record BitmapBody(
        @Schema(description = "The name as it stands in a path.") String id,
        @Schema(description = "The name; U+FFFD where it is not UTF-8.") String name,
        @Schema(description = "DIRTY_TRACKING, or UNKNOWN_n for the type number n.") String type,
        @Schema(
                        description =
                                "Guest bytes that one bit stands for; absent if it is no legal number.")
                @Nullable Long granularity,
        @Schema(
                        description =
                                "Whether every program that writes to the disk must keep the bitmap up to date.")
                boolean enabled,
        @Schema(
                        description =
                                "CONSISTENT: its content can be trusted. INCONSISTENT: the program that kept"
                                        + " it died. IN_USE: a program holds the image, and the real content"
                                        + " is in that program. ORPHANED: a program changed the image"
                                        + " without knowing bitmaps. UNSUPPORTED: unknown to us or QEMU."
                                        + " CORRUPT: it breaks the format.")
                BitmapState state,
        @Schema(description = "Dirty guest bytes; only of a CONSISTENT bitmap.")
                @Nullable Long dirtyBytes,
        @Schema(description = "Maximal dirty extents; only of a CONSISTENT bitmap.")
                @Nullable Long dirtyExtents,
        @Schema(
                        description =
                                "Bytes of the file that hold the bits; absent where they were not looked up.")
                @Nullable Long storedBytes,
        @Schema(
                        description =
                                "What it is relative to; absent if nobody said. It belongs to the name: a program"
                                        + " that clears the bitmap, or removes it and makes another of the same"
                                        + " name, does not know of it and leaves it as it is.")
                @Nullable ReferencePointBody referencePoint,
        @Schema(
                        description =
                                "Extra data of a bitmap of another type, in Base64, up to 4096 bytes.")
                @Nullable String extraData,
        @Schema(description = "Why the state is not CONSISTENT.") @Nullable String reason) {

    /// The strong ETag of one bitmap.
    ///
    /// @param view where it was found, settled if the ETag is to be relied on
    static String etag(Id image, ImageView view, Bitmap bitmap) {
        return Digest.etag(
                image,
                view.version(),
                Id.of(bitmap.name()),
                bitmap.state(),
                bitmap.checksum(),
                view.image().referencePoints().get(bitmap.name()));
    }

    /// @param points those of the image
    static BitmapBody of(Bitmap bitmap, @Nullable Totals totals, ReferencePoints points) {
        Id id = Id.of(bitmap.name());
        byte[] extraData = bitmap.extraData();
        return new BitmapBody(
                id.toString(),
                id.text(),
                bitmap.type() == 1 ? "DIRTY_TRACKING" : "UNKNOWN_" + bitmap.type(),
                bitmap.granularityBits() > 62 ? null : 1L << bitmap.granularityBits(),
                bitmap.enabled(),
                bitmap.state(),
                totals == null ? null : totals.dirtyBytes(),
                totals == null ? null : totals.dirtyExtents(),
                bitmap.storedBytes() < 0 ? null : bitmap.storedBytes(),
                ReferencePointBody.of(points.get(bitmap.name())),
                extraData == null ? null : Base64.getEncoder().encodeToString(extraData),
                bitmap.reason());
    }
}
