package dev.dirtymap.qcow2;

/// What clusters of the file are used for.
public enum Structure {
    HEADER("header"),
    REFCOUNT_TABLE("refcount table"),
    REFCOUNT_BLOCK("refcount block"),
    L1_TABLE("L1 table"),
    L2_TABLE("L2 table"),
    GUEST_DATA("guest data"),
    SNAPSHOT_TABLE("snapshot table"),
    SNAPSHOT_L1_TABLE("snapshot L1 table"),
    SNAPSHOT_L2_TABLE("snapshot L2 table"),
    SNAPSHOT_DATA("snapshot data"),
    LUKS_HEADER("LUKS header"),
    BITMAP_DIRECTORY("bitmap directory"),
    BITMAP_TABLE("bitmap table"),
    BITMAP_DATA("bitmap data");

    private final String text;

    Structure(String text) {
        this.text = text;
    }

    /// As people write it.
    public String text() {
        return text;
    }

    /// Whether a bitmap, and nothing else, makes such references.
    boolean ofBitmaps() {
        return this == BITMAP_DIRECTORY || this == BITMAP_TABLE || this == BITMAP_DATA;
    }
}
