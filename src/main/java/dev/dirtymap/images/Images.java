package dev.dirtymap.images;

import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.DisposableBean;
import org.springframework.stereotype.Service;

/// The images below the root: the only way to any of them.
@Service
public class Images implements DisposableBean {

    /// Our own folder in the root, never served.
    private static final byte[] OWN_FOLDER = ".dirtymap".getBytes(StandardCharsets.UTF_8);

    private final Path rootPath;
    private final RootFolder root;
    private final Duration lockWait;

    Images(ImagesProperties properties) throws IOException {
        Path configured = properties.root();
        this.rootPath =
                configured == null
                        ? SampleFolder.ensure()
                        : configured.toAbsolutePath().normalize();
        this.root = openRoot(rootPath);
        this.lockWait = properties.lockWait();
    }

    private static RootFolder openRoot(Path path) throws IOException {
        String way = "Set dirtymap.root (DIRTYMAP_ROOT) to the folder of your images.";
        try {
            return RootFolder.open(path);
        } catch (NoSuchFileException e) {
            throw new ConfigurationException(
                    "dirtymap.root: the folder %s does not exist.".formatted(path), way);
        } catch (NotDirectoryException e) {
            throw new ConfigurationException(
                    "dirtymap.root: %s is not a folder.".formatted(path), way);
        }
    }

    /// The folder that is served.
    public Path rootPath() {
        return rootPath;
    }

    /// What to do with an open image.
    @FunctionalInterface
    public interface Work<T> {
        T on(OpenImage image) throws ImageException, IOException;
    }

    /// Opens an image for reading, runs the work and closes it.
    ///
    /// @throws ImageNotFoundException if there is no such regular file beneath the root, or it is no qcow2
    ///     image
    /// @throws ImageUnreadableException if it claims to be one and cannot be read
    public <T> T read(Id id, Work<T> work) throws ImageException, IOException {
        byte[] path = id.name();
        if (ImageWalk.isWithin(path, OWN_FOLDER)) {
            throw new ImageNotFoundException(id);
        }
        try (PosixFile file = root.openFile(path, false)) {
            return work.on(new OpenImage(id, file, lockWait));
        } catch (NoSuchFileException e) {
            throw new ImageNotFoundException(id);
        } catch (AccessDeniedException e) {
            throw new ImageUnreadableException(id, "the service may not read the file", e);
        }
    }

    /// What to do with each file of a walk.
    @FunctionalInterface
    public interface Visitor {
        /// Sees one file.
        ///
        /// @return whether to go on
        boolean visit(Id file) throws IOException;
    }

    /// Walks all regular files beneath the root in the order of their names' bytes. No file is opened.
    ///
    /// @param prefix only names that begin with these bytes
    /// @param after only names that come after this one; null for all
    public void walk(byte[] prefix, byte @Nullable [] after, Visitor visitor) throws IOException {
        new ImageWalk(root, OWN_FOLDER, prefix, after, visitor).run();
    }

    @Override
    public void destroy() {
        root.close();
    }
}
