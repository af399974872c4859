package dev.dirtymap.http;

import dev.dirtymap.images.FileVersion;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageUnreadableException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.OpenImage;
import dev.dirtymap.qcow2.BitmapDirectory.Summary;
import dev.dirtymap.qcow2.BitmapsState;
import dev.dirtymap.qcow2.Compression;
import dev.dirtymap.qcow2.Encryption;
import dev.dirtymap.qcow2.Feature;
import dev.dirtymap.qcow2.Header;
import dev.dirtymap.qcow2.Image;
import io.swagger.v3.oas.annotations.media.Schema;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One image as it goes over the wire. Of an image that cannot be read there is nothing but its name, its
/// size and the reason.
@Schema(
        name = "Image",
        description = "One qcow2 file below the root folder.",
        requiredProperties = {"id", "name", "state", "opensInQemu"})
record ImageBody(
        @Schema(description = "The name as it stands in a path.") String id,
        @Schema(description = "The path below the root folder; U+FFFD where it is not UTF-8.")
                String name,
        @Schema(
                        description =
                                "AVAILABLE; IN_USE: another program holds it for writing, so what is shown"
                                        + " may be stale; UNREADABLE: see reason.")
                State state,
        @Schema(description = "Version of the format: 2 or 3.") @Nullable Integer version,
        @Schema(description = "Size of the disk in bytes, as QEMU uses it.")
                @Nullable Long virtualSize,
        @Schema(description = "Length of the file in bytes.") @Nullable Long fileSize,
        @Schema(description = "Bytes that the file takes on disk.") @Nullable Long allocatedSize,
        @Schema(description = "Bytes of one cluster.") @Nullable Integer clusterSize,
        @Schema(description = "Bits of one refcount.") @Nullable Integer refcountBits,
        @Schema(description = "How compressed clusters are packed.")
                @Nullable Compression compression,
        @Schema(description = "Whether clusters are divided into 32 subclusters.")
                @Nullable Boolean extendedL2,
        @Schema(description = "How guest data is encrypted. Bitmaps never are.")
                @Nullable Encryption encryption,
        @Schema(description = "Where unallocated clusters are read from; absent if nowhere.")
                @Nullable BackingFile backingFile,
        @Schema(
                        description =
                                "The external file that holds the guest data; absent if this one does.")
                @Nullable DataFile dataFile,
        @Schema(description = "The feature bits that are set.") @Nullable Features features,
        @Schema(description = "How many internal snapshots there are.")
                @Nullable Integer snapshotCount,
        @Schema(description = "How many bitmaps can be listed.") @Nullable Integer bitmapCount,
        @Schema(
                        description =
                                "NONE; VALID; ORPHANED: none can be trusted; UNSUPPORTED: at least one is"
                                        + " unknown to us or QEMU; CORRUPT: at least one breaks the format.")
                @Nullable BitmapsState bitmapsState,
        @Schema(description = "Whether QEMU's rules let it open the image.") boolean opensInQemu,
        @Schema(description = "What is wrong, where, and what it must be.")
                @Nullable String reason) {

    /// What can be done with an image.
    enum State {
        AVAILABLE,
        IN_USE,
        UNREADABLE
    }

    /// The file that unallocated clusters are read from.
    @Schema(requiredProperties = "name")
    record BackingFile(
            @Schema(description = "The name as stored in the image.") String name,
            @Schema(description = "Its format as stored; absent if the image does not say.")
                    @Nullable String format) {}

    /// The file that holds the guest data.
    @Schema(requiredProperties = "raw")
    record DataFile(
            @Schema(description = "The name as stored; absent if the image does not say.")
                    @Nullable String name,
            @Schema(description = "Whether it is also a valid raw image.") boolean raw) {}

    /// The names of the bits that are set; an unknown bit 7 is UNKNOWN_7.
    @Schema(
            description = "The feature bits that are set, by name; an unknown bit 7 is UNKNOWN_7.",
            requiredProperties = {"incompatible", "compatible", "autoclear"})
    record Features(
            @Schema(description = "Bits that a program must know to open the image.")
                    List<String> incompatible,
            @Schema(description = "Bits that a program may ignore.") List<String> compatible,
            @Schema(
                            description =
                                    "Bits that a program that does not know them clears when it writes.")
                    List<String> autoclear) {

        static Features of(Header header) {
            return new Features(
                    names(Feature.Word.INCOMPATIBLE, header),
                    names(Feature.Word.COMPATIBLE, header),
                    names(Feature.Word.AUTOCLEAR, header));
        }

        private static List<String> names(Feature.Word word, Header header) {
            return Feature.names(word, header.features(word));
        }
    }

    /// An image with its ETag and with what a filter asks for.
    record Described(ImageBody body, String etag, boolean hasInconsistent) {}

    static Described of(Id id, ImageView view) throws IOException {
        Image image = view.image();
        Header header = image.header();
        Summary bitmaps = image.bitmaps().summary();
        ImageBody body =
                new ImageBody(
                        id.toString(),
                        id.text(),
                        view.heldForWriting() ? State.IN_USE : State.AVAILABLE,
                        header.version(),
                        header.virtualSize(),
                        view.version().size(),
                        view.allocatedBytes(),
                        header.clusterSize(),
                        header.refcountBits(),
                        header.compression(),
                        header.has(Feature.EXTENDED_L2),
                        header.encryption(),
                        image.backingFile() == null
                                ? null
                                : new BackingFile(image.backingFile(), image.backingFormat()),
                        header.has(Feature.DATA_FILE)
                                ? new DataFile(image.dataFile(), header.has(Feature.RAW_DATA_FILE))
                                : null,
                        Features.of(header),
                        header.snapshotCount(),
                        image.bitmaps().count(),
                        bitmaps.state(),
                        bitmaps.opensInQemu(),
                        bitmaps.reason());
        return new Described(body, etag(id, view.version(), body), bitmaps.hasInconsistent());
    }

    /// An image of which only the file is known.
    static Described unreadable(OpenImage image, ImageUnreadableException failure)
            throws IOException {
        FileVersion version = image.version();
        ImageBody body =
                unreadable(
                        image.id(),
                        failure.reason(),
                        failure.opensInQemu(),
                        version.size(),
                        image.allocatedBytes());
        return new Described(body, etag(image.id(), version, body), false);
    }

    /// A file that the service may not open.
    static Described unreadable(Id id, String reason) {
        ImageBody body = unreadable(id, reason, false, null, null);
        return new Described(body, Digest.etag(body), false);
    }

    private static ImageBody unreadable(
            Id id,
            String reason,
            boolean opensInQemu,
            @Nullable Long fileSize,
            @Nullable Long allocatedSize) {
        return new ImageBody(
                id.toString(),
                id.text(),
                State.UNREADABLE,
                null,
                null,
                fileSize,
                allocatedSize,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                opensInQemu,
                reason);
    }

    /// Changes with the file and with everything that is shown: blocks may be allocated, and a program may
    /// take the image, without the file's times moving.
    private static String etag(Id id, FileVersion version, ImageBody body) {
        return Digest.etag(id, version, body);
    }
}
