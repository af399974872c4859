package dev.dirtymap.images;

import dev.dirtymap.posix.FolderEntry;
import dev.dirtymap.posix.RootFolder;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One walk over the files beneath the root, in the order of the bytes of their whole names. One folder's
/// names are in memory at a time, and those of the folders above it.
final class ImageWalk {

    private static final Logger LOG = LoggerFactory.getLogger(ImageWalk.class);

    private final RootFolder root;
    private final byte[] ownFolder;
    private final NamePrefixes visible;
    private final byte[] prefix;
    private final byte @Nullable [] after;
    private final Step step;

    ImageWalk(
            RootFolder root,
            byte[] ownFolder,
            NamePrefixes visible,
            byte[] prefix,
            byte @Nullable [] after,
            Step step) {
        this.root = root;
        this.ownFolder = ownFolder;
        this.visible = visible;
        this.prefix = prefix;
        this.after = after;
        this.step = step;
    }

    /// What is done with each file.
    @FunctionalInterface
    interface Step {
        /// Sees one file.
        ///
        /// @return whether to go on
        boolean to(Id file) throws IOException;
    }

    void run() throws IOException {
        walk(new byte[0]);
    }

    /// @param folder the path of a folder with a slash at its end; empty for the root
    /// @return whether to go on
    private boolean walk(byte[] folder) throws IOException {
        for (byte[] path : children(folder)) {
            boolean isFolder = path[path.length - 1] == '/';
            if (isFolder ? !mayHold(path) : !wanted(path)) {
                continue;
            }
            if (isFolder ? !walk(path) : !step.to(Id.of(path))) {
                return false;
            }
        }
        return true;
    }

    /// The paths in a folder, sorted; those of folders end with a slash, which makes this the order of the
    /// whole names beneath them.
    private List<byte[]> children(byte[] folder) throws IOException {
        byte[] path = folder.length == 0 ? folder : Arrays.copyOf(folder, folder.length - 1);
        List<FolderEntry> entries;
        try {
            entries = root.list(path);
        } catch (IOException e) {
            if (folder.length == 0) {
                throw e;
            }
            // Gone meanwhile, not ours to see, or a dead mount: one folder must not hide the
            // others.
            if (!(e instanceof NoSuchFileException)) {
                LOG.warn("the folder {} cannot be listed", Id.of(path), e);
            }
            return List.of();
        }
        return entries.stream()
                .map(entry -> join(folder, entry))
                .filter(child -> !isWithin(child, ownFolder))
                .sorted(Arrays::compareUnsigned)
                .toList();
    }

    private static byte[] join(byte[] folder, FolderEntry entry) {
        byte[] name = entry.name();
        byte[] path =
                Arrays.copyOf(folder, folder.length + name.length + (entry.isFolder() ? 1 : 0));
        System.arraycopy(name, 0, path, folder.length, name.length);
        if (entry.isFolder()) {
            path[path.length - 1] = '/';
        }
        return path;
    }

    /// Whether a path is this folder or lies in it.
    static boolean isWithin(byte[] path, byte[] folder) {
        return startsWith(path, folder)
                && (path.length == folder.length || path[folder.length] == '/');
    }

    private boolean wanted(byte[] path) {
        return startsWith(path, prefix)
                && visible.hold(path)
                && (after == null || Arrays.compareUnsigned(path, after) > 0);
    }

    /// Whether a wanted path may begin with this folder's.
    private boolean mayHold(byte[] folder) {
        int common = Math.min(folder.length, prefix.length);
        if (!Arrays.equals(folder, 0, common, prefix, 0, common) || !visible.reachInto(folder)) {
            return false;
        }
        return after == null
                || startsWith(after, folder)
                || Arrays.compareUnsigned(folder, after) > 0;
    }

    private static boolean startsWith(byte[] bytes, byte[] start) {
        return bytes.length >= start.length
                && Arrays.equals(bytes, 0, start.length, start, 0, start.length);
    }
}
