package dev.dirtymap.images;

import dev.dirtymap.images.BitmapContent.LockLostException;
import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.images.ImageMeters.Access;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.Feature;
import dev.dirtymap.qcow2.FormatException;
import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.MapLayer;
import dev.dirtymap.qcow2.MapPiece;
import dev.dirtymap.qcow2.MapReader;
import dev.dirtymap.qcow2.MapScanner.MapSource;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// An image with the files below it, open for one request, and the map that they make. Read in short steps under
/// the reader's lock of every file of the chain, each step on files that have not changed since the first.
///
/// Every file is found by [BackingName] and opened beneath the root, and nowhere else. A backing file without a
/// stored format is taken for qcow2 if it begins like one, and else for raw, which QEMU does too (with other formats
/// besides, which are not known here).
public final class BackingChain implements MapSource, AutoCloseable {

    /// Files below each other at most: what management programs allow, too.
    static final int MAX_DEPTH = 200;

    private final RootFolder root;
    private final byte[] rootPath;
    private final NamePrefixes visible;
    private final Duration lockWait;
    private final ImageMeters meters;
    private final List<ChainFile> files = new ArrayList<>();
    private final List<MapLayer> layers = new ArrayList<>();
    private @Nullable MapReader reader;

    private BackingChain(
            RootFolder root,
            byte[] rootPath,
            NamePrefixes visible,
            Duration lockWait,
            ImageMeters meters) {
        this.root = root;
        this.rootPath = rootPath;
        this.visible = visible;
        this.lockWait = lockWait;
        this.meters = meters;
    }

    /// Opens an image and, if wanted, all that lies below it. No lock is held when this returns.
    ///
    /// @param rootPath the absolute path of the root, for names that are absolute
    /// @param visible which files may be below it; every other is absent
    /// @param follow whether to open backing files; a data file is always needed
    /// @throws ImageNotFoundException if there is no such image
    /// @throws ImageUnreadableException if it claims to be one and cannot be read
    /// @throws BackingUnavailableException if a file below it cannot be had
    static BackingChain open(
            RootFolder root,
            byte[] rootPath,
            NamePrefixes visible,
            Id image,
            Duration lockWait,
            boolean follow,
            ImageMeters meters)
            throws ImageException, IOException {
        BackingChain chain = new BackingChain(root, rootPath, visible, lockWait, meters);
        boolean complete = false;
        try {
            chain.addTop(image, follow);
            complete = true;
            return chain;
        } finally {
            if (!complete) {
                chain.close();
            }
        }
    }

    private void addTop(Id id, boolean follow) throws ImageException, IOException {
        Image image;
        ChainFile file;
        try {
            file = add(id);
            image = Image.open(file.file(), false).orElse(null);
        } catch (NoSuchFileException e) {
            throw new ImageNotFoundException(id);
        } catch (AccessDeniedException e) {
            throw new ImageUnreadableException(id, "the service may not read the file", e);
        } catch (FormatException e) {
            throw new ImageUnreadableException(id, e);
        }
        if (image == null) {
            throw new ImageNotFoundException(id);
        }
        MapLayer.Qcow2 top = layer(image, file);
        layers.add(top);
        if (!follow) {
            reader = MapReader.ofImage(top);
            return;
        }
        while (image != null) {
            image = addBelow(image, file);
            file = files.getLast();
        }
        reader = MapReader.ofChain(layers);
    }

    /// Adds the backing file of an image, if it has one.
    ///
    /// @return null if the chain ends there
    private @Nullable Image addBelow(Image above, ChainFile aboveFile) throws IOException {
        String name = above.backingFile();
        if (name == null || name.isEmpty()) {
            return null;
        }
        if (layers.size() > MAX_DEPTH) {
            throw unavailable(
                    aboveFile, name, "the chain has more than %d files".formatted(MAX_DEPTH));
        }
        ChainFile file = addNamed(aboveFile, name);
        String format = above.backingFormat();
        if (format != null && !format.equals("qcow2") && !format.equals("raw")) {
            throw unavailable(aboveFile, name, "its format '%s' is not known".formatted(format));
        }
        Image image = null;
        if (!"raw".equals(format)) {
            try {
                image = Image.open(file.file(), false).orElse(null);
            } catch (FormatException e) {
                throw unavailable(aboveFile, name, e.violation().toString());
            }
        }
        if (image == null && format != null && !format.equals("raw")) {
            throw unavailable(aboveFile, name, "it is no qcow2 image");
        }
        layers.add(image == null ? new MapLayer.Raw(file.file()) : layer(image, file));
        return image;
    }

    private MapLayer.Qcow2 layer(Image image, ChainFile file) throws IOException {
        if (!image.header().has(Feature.DATA_FILE)) {
            return new MapLayer.Qcow2(image, file.file());
        }
        String name = image.dataFile();
        if (name == null || name.isEmpty()) {
            throw unavailable(file, "", "the name of its data file is not stored");
        }
        ChainFile data = addNamed(file, name);
        // Whoever asks for the last file means an image.
        files.remove(data);
        files.add(files.indexOf(file), data);
        return new MapLayer.Qcow2(image, file.file(), data.file());
    }

    private ChainFile addNamed(ChainFile namedBy, String name) throws IOException {
        byte[] path = BackingName.resolve(rootPath, namedBy.id().name(), name);
        if (ImageWalk.isWithin(path, Images.OWN_FOLDER) || !visible.hold(path)) {
            throw unavailable(namedBy, name, "there is no such file");
        }
        try {
            return add(Id.of(path));
        } catch (NoSuchFileException e) {
            throw unavailable(namedBy, name, "there is no such file");
        } catch (AccessDeniedException e) {
            throw unavailable(namedBy, name, "the service may not read it");
        } catch (LoopException e) {
            throw unavailable(namedBy, name, "the chain comes back to it");
        }
    }

    private ChainFile add(Id id) throws IOException {
        PosixFile opened = root.openFile(id.name(), false);
        ChainFile file = ChainFile.of(id, opened, meters);
        boolean loop = files.stream().anyMatch(other -> other.is(file.stat()));
        files.add(file);
        if (loop) {
            throw new LoopException();
        }
        return file;
    }

    private static BackingUnavailableException unavailable(
            ChainFile namedBy, String name, String reason) {
        return new BackingUnavailableException(namedBy.id().text(), name, reason);
    }

    /// The size of the disk in bytes.
    public long virtualSize() {
        return reader().virtualSize();
    }

    /// Makes sure that the image is at this version, so that its map and its bitmaps go together.
    ///
    /// @throws ContentChangedException if it is not
    public void requireTop(FileVersion version) throws ContentChangedException {
        if (!files.getFirst().version().equals(version)) {
            throw new ContentChangedException(files.getFirst().id());
        }
    }

    /// Which content of which files is read; each step makes sure of it.
    public List<FileVersion> versions() {
        return files.stream().map(ChainFile::version).toList();
    }

    private MapReader reader() {
        MapReader open = reader;
        if (open == null) {
            throw new IllegalStateException("the chain is not complete");
        }
        return open;
    }

    /// What is known already, or one step of at most [ReaderGate#STEP_NANOS], more or less.
    ///
    /// @throws ContentChangedException if a file of the chain changed since it was opened
    /// @throws LockLostException if a program took a file of the chain for writing and kept it
    @Override
    public void read(long offset, MapPiece piece) throws IOException {
        if (reader().readKnown(offset, piece)) {
            return;
        }
        long start = System.nanoTime();
        try {
            read(piece, start);
        } catch (LockLostException e) {
            meters.waited(Access.READ, start, e.locked().holder());
            throw e;
        }
    }

    /// @param start the `System.nanoTime` since when the locks are wanted
    private void read(MapPiece piece, long start) throws IOException {
        while (true) {
            List<ReaderGate> gates = enterGates();
            Obstacle inTheWay;
            try {
                inTheWay = lockAll();
                if (inTheWay == null) {
                    meters.waited(Access.READ, start, null);
                    try {
                        readUnchanged(piece);
                        return;
                    } finally {
                        unlock(files.size());
                    }
                }
            } finally {
                gates.forEach(ReaderGate::leave);
            }
            if (System.nanoTime() - start >= lockWait.toNanos()) {
                throw new LockLostException(
                        new ImageLockedException(inTheWay.file.id(), inTheWay.holder));
            }
            LockSupport.parkNanos(
                    OpenImage.PAUSE_NANOS
                            + ThreadLocalRandom.current().nextLong(OpenImage.PAUSE_NANOS));
        }
    }

    private record Obstacle(ChainFile file, Holder holder) {}

    /// A program that asks for no lock may change a file even now: then what was read means nothing.
    private void readUnchanged(MapPiece piece) throws IOException {
        requireUnchanged();
        try {
            reader().read(piece, System.nanoTime() + ReaderGate.STEP_NANOS);
        } catch (IOException e) {
            requireUnchanged();
            throw e;
        }
        requireUnchanged();
    }

    private void requireUnchanged() throws IOException {
        for (ChainFile file : files) {
            file.requireUnchanged();
        }
    }

    /// Files of one chain can share a gate, and who enters it twice may wait for himself. All take them in one
    /// order, so that nobody waits for each other.
    private List<ReaderGate> enterGates() throws LockLostException {
        List<ReaderGate> entered = new ArrayList<>();
        for (ReaderGate gate : ReaderGate.of(files.stream().map(ChainFile::stat).toList())) {
            if (!gate.enter(System.nanoTime() + OpenImage.TURN_NANOS)) {
                entered.forEach(ReaderGate::leave);
                throw new LockLostException(
                        new ImageLockedException(files.getFirst().id(), Holder.SERVICE));
            }
            entered.add(gate);
        }
        return entered;
    }

    private @Nullable Obstacle lockAll() throws IOException {
        int locked = 0;
        boolean complete = false;
        try {
            for (ChainFile file : files) {
                Holder holder = file.tryLock();
                if (holder != null) {
                    return new Obstacle(file, holder);
                }
                locked++;
            }
            complete = true;
            return null;
        } finally {
            if (!complete) {
                unlock(locked);
            }
        }
    }

    private void unlock(int count) throws IOException {
        for (ChainFile file : files.subList(0, count)) {
            file.unlock();
        }
    }

    @Override
    public void close() {
        files.forEach(ChainFile::close);
    }

    /// A file that the chain has already.
    private static final class LoopException extends IOException {
        private static final long serialVersionUID = 1L;
    }
}
