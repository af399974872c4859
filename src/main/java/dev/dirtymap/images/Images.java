package dev.dirtymap.images;

import dev.dirtymap.posix.NewFile;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.NewImage;
import dev.dirtymap.qcow2.NoSpaceException;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.DisposableBean;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.stereotype.Service;

/// The images below the root: the only way to any of them.
@Service
public class Images implements DisposableBean {

    /// Our own folder in the root, never served.
    static final byte[] OWN_FOLDER = ".dirtymap".getBytes(StandardCharsets.UTF_8);

    private final Path rootPath;
    private final RootFolder root;
    private final Duration lockWait;
    private final ImageMeters meters;
    private final Journal journal;
    private final KnownFiles known = new KnownFiles();
    private final Supplier<NamePrefixes> visible;

    /// For somebody who may see every image.
    Images(ImagesProperties properties) throws IOException {
        this(properties, () -> NamePrefixes.ALL, new SimpleMeterRegistry());
    }

    /// @param visible which images the one may see for whom this is asked; every other is absent
    @Autowired
    Images(ImagesProperties properties, Supplier<NamePrefixes> visible, MeterRegistry registry)
            throws IOException {
        this.visible = visible;
        Path configured = properties.root();
        this.rootPath =
                configured == null
                        ? SampleFolder.ensure()
                        : configured.toAbsolutePath().normalize();
        this.root = openRoot(rootPath);
        this.lockWait = properties.lockWait();
        this.meters = new ImageMeters(registry);
        this.journal = new Journal(root, meters);
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

    /// Opens an image for reading, runs the work and closes it. A transaction over several images that was
    /// cut short and concerns this one is finished first.
    ///
    /// @throws TransactionUnfinishedException if it cannot be
    /// @throws ImageNotFoundException if there is no such regular file beneath the root, or it is no qcow2
    ///     image
    /// @throws ImageUnreadableException if it claims to be one and cannot be read
    public <T> T read(Id id, Work<T> work) throws ImageException, IOException {
        requireServed(id);
        recover(List.of(id), deadline());
        return readAsItIs(id, work);
    }

    /// Like [#read], but a transaction that was cut short is no obstacle: for lists.
    public <T> T readAsItIs(Id id, Work<T> work) throws ImageException, IOException {
        requireServed(id);
        try (PosixFile file = root.openFile(id.name(), false)) {
            return work.on(new OpenImage(id, file, lockWait, known, meters));
        } catch (NoSuchFileException e) {
            throw new ImageNotFoundException(id);
        } catch (AccessDeniedException e) {
            throw new ImageUnreadableException(id, "the service may not read the file", e);
        }
    }

    /// What to do with an image and the files below it.
    @FunctionalInterface
    public interface ChainWork<T> {
        T on(BackingChain chain) throws ImageException, IOException;
    }

    /// Opens an image for its map, and the files below it.
    ///
    /// @param follow whether to open backing files; a data file is always needed
    /// @throws BackingUnavailableException if a file below it cannot be had
    public <T> T readChain(Id id, boolean follow, ChainWork<T> work)
            throws ImageException, IOException {
        requireServed(id);
        recover(List.of(id), deadline());
        byte[] rootName = rootPath.toString().getBytes(StandardCharsets.UTF_8);
        try (BackingChain chain =
                BackingChain.open(root, rootName, visible.get(), id, lockWait, follow, meters)) {
            return work.on(chain);
        }
    }

    /// The one place where a name becomes an image, or is none for the one who asks.
    private void requireServed(Id id) throws ImageNotFoundException {
        if (ImageWalk.isWithin(id.name(), OWN_FOLDER) || !visible.get().hold(id.name())) {
            throw new ImageNotFoundException(id);
        }
    }

    /// Finishes what was cut short and concerns these images. It may concern others too, which the one who asks must
    /// not see: then none but his own is named.
    private void recover(List<Id> images, long deadline) throws ImageException, IOException {
        try {
            journal.recover(images, deadline);
        } catch (ImageException e) {
            if (visible.get().areAll()) {
                throw e;
            }
            throw switch (e) {
                case ImageLockedException locked ->
                        new ImageLockedException(images.getFirst(), locked.holder());
                case TransactionUnfinishedException unfinished ->
                        new TransactionUnfinishedException(
                                unfinished.image(),
                                unfinished.journal(),
                                "an operator must decide");
                default ->
                        new TransactionUnfinishedException(
                                images.getFirst(), Journal.FOLDER, "an operator must decide");
            };
        }
    }

    private long deadline() {
        return System.nanoTime() + lockWait.toNanos();
    }

    /// Says what to change, in the drafts of the locked images.
    @FunctionalInterface
    public interface Operations {
        void on(LockedImages images) throws ImageException, ChangeRefusedException, IOException;
    }

    /// Makes the answer from the images as they are after the change, still locked.
    @FunctionalInterface
    public interface Answer<T> {
        T from(LockedImages images) throws ImageException, IOException;
    }

    /// Changes images: all of them, or none. On the disk when this returns.
    ///
    /// @param changed the images to change
    /// @param sources images that are only read from
    /// @param operations says what to change; what it throws leaves everything as it was
    /// @param answer runs after the change was made
    /// @throws ImageRefusedException if an image must not be changed so; nothing was written
    /// @throws dev.dirtymap.qcow2.NoSpaceException if the disk has no room; nothing was changed
    /// @throws OutcomeUnknownException if the disk failed at the very moment of the change
    public <T> T change(
            Collection<Id> changed, Collection<Id> sources, Operations operations, Answer<T> answer)
            throws ImageException, IOException {
        List<Id> all = new ArrayList<>(changed);
        all.addAll(sources);
        for (Id id : all) {
            requireServed(id);
        }
        long deadline = deadline();
        while (true) {
            recover(all, deadline);
            try (LockedImages locked =
                    LockedImages.lock(root, journal, meters, changed, sources, deadline)) {
                // A transaction may have been cut short while we waited for its locks.
                if (journal.concerns(all)) {
                    continue;
                }
                try {
                    operations.on(locked);
                } catch (ChangeRefusedException e) {
                    throw new ImageRefusedException(all.getFirst(), e);
                }
                locked.commit();
                return answer.from(locked);
            }
        }
    }

    /// Makes an empty image, and the folders that its name takes. It is there whole or not at all.
    ///
    /// @throws ImageExistsException if anything has this name
    public void create(Id id, NewImage image) throws ImageException, IOException {
        requireServed(id);
        byte[] path = id.name();
        int slash = path.length - 1;
        while (slash >= 0 && path[slash] != '/') {
            slash--;
        }
        try {
            if (slash > 0) {
                root.createFolders(Arrays.copyOf(path, slash));
            }
            try (NewFile file = root.createFile(path)) {
                image.writeTo(file.file().channel());
                file.publish();
            }
        } catch (FileAlreadyExistsException | NotDirectoryException | NoSuchFileException e) {
            // Also a file or a link in the place of a folder.
            throw new ImageExistsException(id, e);
        } catch (AccessDeniedException e) {
            throw new ImageReadOnlyException(id, e);
        } catch (IOException e) {
            throw DiskFile.told(e);
        }
    }

    /// Takes the bits of a bitmap from a client, before the image is locked.
    ///
    /// @param most how many bytes to take; one more shows that there are too many
    /// @throws BitsUpload.BrokenOffException if the client stopped sending
    /// @throws NoSpaceException if the disk has no room for them
    public BitsUpload receive(Id id, InputStream in, long most) throws ImageException, IOException {
        requireServed(id);
        try {
            return BitsUpload.receive(root, in, most);
        } catch (AccessDeniedException e) {
            throw new ImageReadOnlyException(id, e);
        } catch (IOException e) {
            throw DiskFile.told(e);
        }
    }

    /// Makes sure that the root is still to be reached.
    ///
    /// @return bytes of room on its file system for this user
    /// @throws IOException if it is not, with a sentence for an operator
    public long freeBytes() throws IOException {
        if (!root.isAt(rootPath)) {
            throw new IOException(
                    "the folder %s has been moved away, or something is mounted over it; this service still has the old one"
                            .formatted(rootPath));
        }
        return root.freeBytes();
    }

    /// The transactions over several images that were cut short and cannot be finished without guessing, as
    /// sentences for an operator.
    public List<String> unfinishedTransactions() throws IOException {
        return journal.unfinished();
    }

    /// What to do with each file of a walk.
    @FunctionalInterface
    public interface Visitor {
        /// Sees one file.
        ///
        /// @param outline what the file is, if that is known without reading it
        /// @return whether to go on
        boolean visit(Id file, @Nullable Outline outline) throws IOException;
    }

    /// Walks all regular files beneath the root in the order of their names' bytes. No file is read: what a
    /// [OpenImage#glance] found is known as long as the file has not changed.
    ///
    /// @param prefix only names that begin with these bytes
    /// @param after only names that come after this one; null for all
    public void walk(byte[] prefix, byte @Nullable [] after, Visitor visitor) throws IOException {
        new ImageWalk(
                        root,
                        OWN_FOLDER,
                        visible.get(),
                        prefix,
                        after,
                        file -> visitor.visit(file, outline(file)))
                .run();
    }

    private @Nullable Outline outline(Id file) {
        try {
            return known.get(root.stat(file.name()));
        } catch (IOException e) {
            // Who opens the file meets the same failure, and tells it.
            return null;
        }
    }

    @Override
    public void destroy() {
        root.close();
    }
}
