package dev.dirtymap.posix;

/// A regular file or a sub-folder in a listing. A class and no record, because the array inside
/// must not get out.
public final class FolderEntry {

    private final byte[] name;
    private final boolean folder;

    FolderEntry(byte[] name, boolean folder) {
        this.name = name;
        this.folder = folder;
    }

    /// A copy of the name's bytes: 1 to 255, neither NUL nor `/`.
    public byte[] name() {
        return name.clone();
    }

    /// True for a folder, false for a regular file.
    public boolean isFolder() {
        return folder;
    }

    @Override
    public String toString() {
        return Errno.shown(name) + (folder ? "/" : "");
    }
}
