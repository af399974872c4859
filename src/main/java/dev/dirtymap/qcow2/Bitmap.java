package dev.dirtymap.qcow2;

import org.jspecify.annotations.Nullable;

/// One bitmap of an image, judged.
public final class Bitmap {

    private final byte[] name;
    private final DirectoryEntry entry;
    private final Geometry geometry;
    private final BitmapState state;
    private final @Nullable String reason;
    private final @Nullable TableFacts table;
    private final byte @Nullable [] extraData;

    /// What one pass over a valid table finds.
    ///
    /// @param storedBytes bytes of the data clusters
    /// @param checksum CRC-32C of the directory entry's fixed part and the table
    record TableFacts(long storedBytes, long checksum) {}

    Bitmap(
            byte[] name,
            DirectoryEntry entry,
            Geometry geometry,
            BitmapState state,
            @Nullable String reason,
            @Nullable TableFacts table,
            byte @Nullable [] extraData) {
        this.name = name;
        this.entry = entry;
        this.geometry = geometry;
        this.state = state;
        this.reason = reason;
        this.table = table;
        this.extraData = extraData;
    }

    /// The fixed part of its directory entry.
    DirectoryEntry entry() {
        return entry;
    }

    /// Its name: 1 to 1023 bytes of anything.
    public byte[] name() {
        return name.clone();
    }

    public BitmapState state() {
        return state;
    }

    /// Why the state is not [BitmapState#CONSISTENT], as a sentence; null if it is.
    public @Nullable String reason() {
        return reason;
    }

    /// The `type` byte: 1 is dirty tracking.
    public int type() {
        return entry.type();
    }

    /// log2 of the granularity, as stored: 0 to 255 when the entry is broken, else 0 to 63.
    public int granularityBits() {
        return entry.granularityBits();
    }

    /// Whether programs that write to the disk must keep the bitmap up to date (the `auto` flag).
    public boolean enabled() {
        return entry.enabled();
    }

    /// Bytes of its data clusters in the file; -1 if its table was not read.
    public long storedBytes() {
        return table == null ? -1 : table.storedBytes();
    }

    /// Extra data of an unknown type of bitmap; null if there is none or more than 4096 bytes.
    public byte @Nullable [] extraData() {
        return extraData == null ? null : extraData.clone();
    }

    /// Where its bits lie. Only for a [BitmapState#CONSISTENT] bitmap are they worth asking for.
    public Geometry geometry() {
        return geometry;
    }

    /// A number that differs when the directory entry or the table does; 0 where no table was read. Data
    /// clusters may change under the same number, so it is a part of a fingerprint and never all of it.
    public long checksum() {
        return table == null ? 0 : table.checksum();
    }

    /// Its content, bit by bit.
    ///
    /// @param file the image's file
    /// @throws IllegalStateException if the content cannot be trusted: ask [#state] first
    public BitmapReader reader(ImageFile file) {
        if (state != BitmapState.CONSISTENT) {
            throw new IllegalStateException("the bitmap is %s: %s".formatted(state, reason));
        }
        return new BitmapReader(file, entry.tableOffset(), geometry);
    }
}
