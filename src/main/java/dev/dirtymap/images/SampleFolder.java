package dev.dirtymap.images;

import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.NewImage;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;

/// The default folder, `./images`, made with one sample image when it is not there, so that the first
/// command in the README has something to show.
final class SampleFolder {

    private static final Path DEFAULT = Path.of("images");
    private static final String SAMPLE = "sample.qcow2";

    private static final long MIB = 1 << 20;
    private static final long GIB = 1 << 30;

    private SampleFolder() {}

    /// The default folder as an absolute path, made first if it is missing.
    ///
    /// @throws ConfigurationException if it cannot be made
    static Path ensure() {
        Path folder = DEFAULT.toAbsolutePath().normalize();
        if (!Files.isDirectory(folder)) {
            try {
                create(folder);
            } catch (IOException e) {
                throw new ConfigurationException(
                        "dirtymap.root is not set, and the default folder %s cannot be made: %s."
                                .formatted(folder, e),
                        "Make the working directory writable, or set dirtymap.root (DIRTYMAP_ROOT) to"
                                + " the folder of your images.");
            }
        }
        return folder;
    }

    /// Makes the folder and the image beside it and moves both into place at once: a crash in between
    /// leaves no folder that looks finished.
    private static void create(Path folder) throws IOException {
        Path draft = Files.createTempDirectory(folder.getParent(), ".images-");
        try {
            // Readable for whoever may read what is made here, unlike a temporary folder.
            Path made = Files.createDirectory(draft.resolve(DEFAULT));
            writeSample(made.resolve(SAMPLE));
            move(made, folder);
        } finally {
            Files.deleteIfExists(draft.resolve(DEFAULT).resolve(SAMPLE));
            Files.deleteIfExists(draft.resolve(DEFAULT));
            Files.delete(draft);
        }
    }

    private static void move(Path made, Path folder) throws IOException {
        try {
            Files.move(made, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            // Somebody else may have been faster; theirs is as good.
            if (!Files.isDirectory(folder)) {
                throw e;
            }
        }
    }

    /// Writes the sample: a 10 GiB disk whose Monday bitmap is kept, whose daily one is enabled, and whose
    /// archive one is coarse.
    static void writeSample(Path file) throws IOException {
        List<Extent> daily =
                List.of(
                        new Extent(0, 2 * 65536, true),
                        new Extent(MIB, 65536, true),
                        new Extent(256 * MIB, 3 * MIB, true),
                        new Extent(4 * GIB, 512 * MIB, true),
                        new Extent(10 * GIB - 65536, 65536, true));
        List<Extent> monday =
                List.of(new Extent(0, 65536, true), new Extent(2 * GIB, 64 * MIB, true));
        List<Extent> archive =
                List.of(new Extent(0, 4 * MIB, true), new Extent(4 * GIB, 1 * GIB, true));
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            new NewImage(10 * GIB, 32 << 10)
                    .bitmap("daily", 65536, true, daily)
                    .bitmap("monday", 65536, false, monday)
                    .bitmap("archive", 4 * MIB, true, archive)
                    .writeTo(channel);
            channel.force(true);
        }
    }
}
