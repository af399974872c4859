package dev.dirtymap.testimages;

import java.nio.file.Path;
import java.util.List;

/// A small file system that one process and its children see at a folder, and nobody else: to be full.
public final class SmallDisk {

    private SmallDisk() {}

    /// The words to put before a command, which then sees it.
    ///
    /// @param mebibytes its size
    public static List<String> at(Path folder, int mebibytes) {
        return List.of(
                "unshare",
                "--map-root-user",
                "--mount",
                "bash",
                "-c",
                "mount -t tmpfs -o size=%dm none \"$0\" && exec \"$@\"".formatted(mebibytes),
                folder.toString());
    }
}
