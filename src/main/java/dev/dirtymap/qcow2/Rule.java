package dev.dirtymap.qcow2;

import static dev.dirtymap.qcow2.Rule.Effect.CORRUPT;
import static dev.dirtymap.qcow2.Rule.Effect.UNMAPPABLE;
import static dev.dirtymap.qcow2.Rule.Effect.UNREADABLE;
import static dev.dirtymap.qcow2.Rule.Effect.UNSUPPORTED;
import static dev.dirtymap.qcow2.Rule.InQemu.OPENS;
import static dev.dirtymap.qcow2.Rule.InQemu.REFUSED;

/// Every rule of the format that a reader can find broken, what follows from it here, and whether QEMU
/// still opens such an image (for reading; `block/qcow2.c` and `block/qcow2-bitmap.c`, 7.2).
///
/// A test breaks each rule by hand and asks QEMU for its verdict, so that this table stays true.
public enum Rule {
    // Header: the image as a whole.
    FILE_TOO_SHORT(
            UNREADABLE, REFUSED, "header", "file length", "at least 60 bytes, or 104 in version 3"),
    HEADER_TRUNCATED(UNREADABLE, OPENS, "header", "file length", "at least the whole header"),
    VERSION(UNREADABLE, REFUSED, "header", "version", "2 or 3"),
    CLUSTER_BITS(UNREADABLE, REFUSED, "header", "cluster_bits", "9 to 21"),
    HEADER_LENGTH(
            UNREADABLE,
            REFUSED,
            "header",
            "header_length",
            "at least 104 and at most the cluster size"),
    BACKING_FILE_OFFSET(
            UNREADABLE, REFUSED, "header", "backing_file_offset", "at most the cluster size"),
    BACKING_FILE_SIZE(
            UNREADABLE,
            REFUSED,
            "header",
            "backing_file_size",
            "at most 1023 and end within the first cluster"),
    INCOMPATIBLE_FEATURES(
            UNREADABLE,
            REFUSED,
            "header",
            "incompatible_features",
            "a set of the known bits 0 to 4, since an unknown one may change the meaning of anything"),
    EXTENDED_L2_CLUSTER_BITS(
            UNREADABLE, REFUSED, "header", "cluster_bits", "at least 14 with extended L2 entries"),
    REFCOUNT_ORDER(UNREADABLE, REFUSED, "header", "refcount_order", "0 to 6"),
    CRYPT_METHOD(UNREADABLE, REFUSED, "header", "crypt_method", "0 (none), 1 (AES) or 2 (LUKS)"),
    COMPRESSION_TYPE(UNREADABLE, REFUSED, "header", "compression_type", "0 (deflate) or 1 (zstd)"),
    COMPRESSION_BIT(
            UNREADABLE,
            REFUSED,
            "header",
            "incompatible_features",
            "with bit 3 set if and only if compression_type is not 0"),
    REFCOUNT_TABLE_CLUSTERS(
            UNREADABLE,
            REFUSED,
            "header",
            "refcount_table_clusters",
            "1 or more, with a table of at most 8 MiB"),
    REFCOUNT_TABLE_OFFSET(
            UNREADABLE,
            REFUSED,
            "header",
            "refcount_table_offset",
            "a multiple of the cluster size and less than 2^63 - 2^30"),
    SNAPSHOT_COUNT(UNREADABLE, REFUSED, "header", "nb_snapshots", "at most 65536"),
    SNAPSHOTS_OFFSET(
            UNREADABLE,
            REFUSED,
            "header",
            "snapshots_offset",
            "a multiple of the cluster size and less than 2^63 - 2^30"),
    L1_SIZE(UNREADABLE, REFUSED, "header", "l1_size", "at most 4194304 entries (32 MiB)"),
    L1_COVERS_SIZE(UNREADABLE, REFUSED, "header", "l1_size", "enough to cover the virtual size"),
    L1_TABLE_OFFSET(
            UNREADABLE,
            REFUSED,
            "header",
            "l1_table_offset",
            "a multiple of the cluster size and less than 2^63 - 2^30"),
    VIRTUAL_SIZE(UNREADABLE, REFUSED, "header", "size", "less than 2^63 bytes"),
    RAW_DATA_FILE(
            UNREADABLE,
            REFUSED,
            "header",
            "autoclear_features",
            "without bit 1 (raw external data) unless incompatible bit 2 (data file) is set"),

    // Header extensions.
    EXTENSION_LENGTH(
            UNREADABLE,
            REFUSED,
            "header extension",
            "length",
            "small enough to end before the backing file name or the end of the first cluster"),
    BACKING_FORMAT_LENGTH(
            UNREADABLE, REFUSED, "backing format extension", "length", "less than 16"),
    LUKS_EXTENSION_UNEXPECTED(
            UNREADABLE, REFUSED, "LUKS header extension", "id", "absent unless crypt_method is 2"),
    LUKS_EXTENSION_LENGTH(UNREADABLE, REFUSED, "LUKS header extension", "length", "16"),
    LUKS_OFFSET(
            UNREADABLE,
            REFUSED,
            "LUKS header extension",
            "offset",
            "a multiple of the cluster size"),
    LUKS_EXTENSION_MISSING(
            UNREADABLE,
            REFUSED,
            "header",
            "crypt_method",
            "accompanied by a LUKS header extension when it is 2"),

    // Snapshot table.
    SNAPSHOT_PAST_END(UNREADABLE, OPENS, "snapshot table", "end of the entry", "within the file"),
    SNAPSHOT_EXTRA_DATA(
            UNREADABLE, REFUSED, "snapshot table", "extra_data_size", "at most 1024 bytes"),
    SNAPSHOT_TABLE_SIZE(UNREADABLE, REFUSED, "snapshot table", "size", "at most 64 MiB"),

    // Bitmaps extension and directory: the image can be read, its bitmaps as far as they go.
    BITMAPS_EXTENSION_LENGTH(CORRUPT, REFUSED, "bitmaps extension", "length", "24"),
    BITMAPS_EXTENSION_MISSING(
            CORRUPT,
            OPENS,
            "header",
            "autoclear_features",
            "without bit 0 (bitmaps) when there is no bitmaps extension"),
    BITMAP_COUNT(CORRUPT, REFUSED, "bitmaps extension", "nb_bitmaps", "1 to 65535"),
    BITMAPS_RESERVED(CORRUPT, REFUSED, "bitmaps extension", "reserved field", "0"),
    DIRECTORY_SIZE(
            CORRUPT, REFUSED, "bitmaps extension", "bitmap_directory_size", "1 to 67107840 bytes"),
    DIRECTORY_OFFSET(
            CORRUPT,
            REFUSED,
            "bitmaps extension",
            "bitmap_directory_offset",
            "a multiple of the cluster size, not 0 and less than 2^63"),
    DIRECTORY_PAST_END(CORRUPT, REFUSED, "bitmap directory", "end", "within the file"),
    DIRECTORY_SUM(
            CORRUPT,
            REFUSED,
            "bitmap directory",
            "sum of entry sizes",
            "equal to bitmap_directory_size"),
    DIRECTORY_ENTRIES(
            CORRUPT, REFUSED, "bitmap directory", "number of entries", "equal to nb_bitmaps"),

    // Directory entries: one bitmap each.
    TABLE_OFFSET(
            CORRUPT,
            REFUSED,
            "bitmap directory entry",
            "bitmap_table_offset",
            "a multiple of the cluster size and not 0"),
    TABLE_OFFSET_LIMIT(
            CORRUPT,
            REFUSED,
            "bitmap directory entry",
            "bitmap_table_offset",
            "less than 2^63 - 2^30"),
    TABLE_SIZE(
            CORRUPT,
            REFUSED,
            "bitmap directory entry",
            "bitmap_table_size",
            "1 or more, with at most 512 MiB of bitmap data"),
    TABLE_SIZE_EXACT(
            CORRUPT,
            REFUSED,
            "bitmap directory entry",
            "bitmap_table_size",
            "exactly what the virtual size and the granularity need"),
    FLAGS(
            UNSUPPORTED,
            REFUSED,
            "bitmap directory entry",
            "flags",
            "a set of bit 0 (in_use) and bit 1 (auto)"),
    TYPE(UNSUPPORTED, REFUSED, "bitmap directory entry", "type", "1 (dirty tracking)"),
    GRANULARITY_BITS(CORRUPT, REFUSED, "bitmap directory entry", "granularity_bits", "0 to 63"),
    GRANULARITY_SUPPORTED(
            UNSUPPORTED,
            REFUSED,
            "bitmap directory entry",
            "granularity_bits",
            "9 to 31 (512 bytes to 2 GiB)"),
    NAME_EMPTY(CORRUPT, OPENS, "bitmap directory entry", "name_size", "1 to 1023"),
    NAME_SIZE(CORRUPT, REFUSED, "bitmap directory entry", "name_size", "1 to 1023"),
    NAME_NUL(
            UNSUPPORTED,
            OPENS,
            "bitmap directory entry",
            "name",
            "free of NUL bytes, since QEMU loses every bitmap of the image at its next write"),
    NAME_UNIQUE(
            CORRUPT, REFUSED, "bitmap directory entry", "name", "different from every other name"),
    EXTRA_DATA(UNSUPPORTED, REFUSED, "bitmap directory entry", "extra_data_size", "0"),
    TABLES_TOTAL(
            UNSUPPORTED,
            OPENS,
            "bitmap directory",
            "bytes of bitmap tables up to this entry",
            "at most 1 GiB, which is what Dirtymap checks of one image"),

    // Bitmap tables and data.
    TABLE_PAST_END(CORRUPT, OPENS, "bitmap table", "end", "within the file"),
    TABLE_ENTRY_RESERVED(
            CORRUPT, REFUSED, "bitmap table entry", "reserved bits (1 to 8, 56 to 63)", "0"),
    TABLE_ENTRY_ALL_ONES(
            CORRUPT,
            REFUSED,
            "bitmap table entry",
            "bit 0 (all ones)",
            "0 when there is an offset"),
    TABLE_ENTRY_OFFSET(
            CORRUPT, REFUSED, "bitmap table entry", "offset", "a multiple of the cluster size"),
    DATA_PAST_END(CORRUPT, OPENS, "bitmap data", "end", "within the file"),

    // L1 and L2 tables, as far as the map of the image goes.
    L2_TABLE_OFFSET(UNMAPPABLE, OPENS, "L1 entry", "offset", "a multiple of the cluster size"),
    CLUSTER_OFFSET(UNMAPPABLE, OPENS, "L2 entry", "offset", "a multiple of the cluster size"),
    CLUSTER_OFFSET_IN_DATA_FILE(
            UNMAPPABLE,
            OPENS,
            "L2 entry",
            "offset",
            "equal to the guest offset with an external data file"),
    ZERO_CLUSTER_IN_VERSION_2(
            UNMAPPABLE, OPENS, "L2 entry", "bit 0 (reads as zeros)", "0 in version 2"),
    COMPRESSED_WITH_DATA_FILE(
            UNMAPPABLE, OPENS, "L2 entry", "bit 62 (compressed)", "0 with an external data file"),
    SUBCLUSTERS_BOTH(
            UNMAPPABLE,
            OPENS,
            "extended L2 entry",
            "subclusters",
            "either allocated (bits 0 to 31) or zero (bits 32 to 63), not both"),
    SUBCLUSTERS_UNALLOCATED(
            UNMAPPABLE,
            OPENS,
            "extended L2 entry",
            "allocated subclusters (bits 0 to 31)",
            "0 where no cluster is allocated");

    /// What a broken rule makes of the thing it speaks of.
    public enum Effect {
        /// The image as a whole cannot be read.
        UNREADABLE,
        /// A structure of the bitmaps breaks the format.
        CORRUPT,
        /// Legal in the format, or nearly, but not known to us or to QEMU.
        UNSUPPORTED,
        /// The map of the image cannot be told beyond this place; QEMU opens the image and fails there, too.
        UNMAPPABLE
    }

    /// What QEMU does with an image that breaks the rule.
    public enum InQemu {
        REFUSED,
        OPENS
    }

    private final Effect effect;
    private final InQemu inQemu;
    private final String structure;
    private final String field;
    private final String mustBe;

    Rule(Effect effect, InQemu inQemu, String structure, String field, String mustBe) {
        this.effect = effect;
        this.inQemu = inQemu;
        this.structure = structure;
        this.field = field;
        this.mustBe = mustBe;
    }

    public Effect effect() {
        return effect;
    }

    public InQemu inQemu() {
        return inQemu;
    }

    public String structure() {
        return structure;
    }

    public String field() {
        return field;
    }

    public String mustBe() {
        return mustBe;
    }
}
