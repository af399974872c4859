package dev.dirtymap.images;

import dev.dirtymap.posix.FileStat;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.Check;
import dev.dirtymap.qcow2.Commit;
import dev.dirtymap.qcow2.Repair;
import dev.dirtymap.qcow2.RepairAction;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The images of one change, all locked: those to be changed as a writer, those that are only read from as a
/// reader. Locks are taken in the order of the names' bytes, so that two changes wait for each other in one
/// direction only.
public final class LockedImages implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LockedImages.class);

    private final Journal journal;
    private final ImageMeters meters;
    private final Map<Id, LockedImage> images = new LinkedHashMap<>();

    private LockedImages(Journal journal, ImageMeters meters) {
        this.journal = journal;
        this.meters = meters;
    }

    /// Opens and locks.
    ///
    /// @param deadline the `System.nanoTime` at which to give up waiting
    static LockedImages lock(
            RootFolder root,
            Journal journal,
            ImageMeters meters,
            Collection<Id> changed,
            Collection<Id> read,
            long deadline)
            throws ImageException, IOException {
        LockedImages locked = new LockedImages(journal, meters);
        TreeSet<Id> ordered =
                new TreeSet<>((one, other) -> Arrays.compareUnsigned(one.name(), other.name()));
        ordered.addAll(changed);
        ordered.addAll(read);
        boolean complete = false;
        try {
            // Writers first where one file has two names: its reader shares the handle.
            for (Id id : ordered) {
                locked.add(root, id, changed.contains(id), deadline);
            }
            complete = true;
            return locked;
        } finally {
            if (!complete) {
                locked.close();
            }
        }
    }

    private void add(RootFolder root, Id id, boolean writable, long deadline)
            throws ImageException, IOException {
        while (!tryAdd(root, id, writable, deadline)) {
            // Another file has come to this name while the old one's lock was waited for.
        }
    }

    private boolean tryAdd(RootFolder root, Id id, boolean writable, long deadline)
            throws ImageException, IOException {
        PosixFile file = open(root, id, writable);
        boolean kept = false;
        try {
            LockedImage twin = twin(file.stat());
            if (twin == null) {
                LockedImage locked = LockedImage.lock(id, file, writable, deadline, meters);
                kept = true;
                images.put(id, locked);
                if (!isStill(root, id, locked)) {
                    images.remove(id).close();
                    return false;
                }
            } else if (writable && !twin.isWritable()) {
                throw new ImageReadOnlyException(
                        id,
                        new IOException(
                                "it is the same file as '%s', which is read in the same request"
                                        .formatted(twin.id().text())));
            } else {
                images.put(id, twin);
            }
            return true;
        } finally {
            if (!kept) {
                file.close();
            }
        }
    }

    /// Whether the name leads to the file that was locked. If not, a change would be made to a file that
    /// nobody sees any more.
    private static boolean isStill(RootFolder root, Id id, LockedImage locked)
            throws ImageException, IOException {
        try (PosixFile now = open(root, id, false)) {
            return locked.is(now.stat());
        }
    }

    private @Nullable LockedImage twin(FileStat stat) {
        return images.values().stream().filter(image -> image.is(stat)).findFirst().orElse(null);
    }

    private static PosixFile open(RootFolder root, Id id, boolean writable)
            throws ImageException, IOException {
        try {
            return root.openFile(id.name(), writable);
        } catch (NoSuchFileException e) {
            throw new ImageNotFoundException(id);
        } catch (AccessDeniedException e) {
            throw writable
                    ? new ImageReadOnlyException(id, e)
                    : new ImageUnreadableException(id, "the service may not read the file", e);
        }
    }

    private LockedImage get(Id id) {
        LockedImage image = images.get(id);
        if (image == null) {
            throw new IllegalArgumentException(id + " was not locked");
        }
        return image;
    }

    /// The bitmaps of an image as they shall be. Of an image that is only read from, it is there to be a
    /// source.
    public BitmapsDraft draft(Id id) throws ImageException, IOException {
        return get(id).draft();
    }

    /// An image as it stands now: before the change is made, the old state; afterwards the new one.
    public ImageView view(Id id) throws ImageException, IOException {
        return get(id).view();
    }

    /// Checks an image as it stands now.
    public Check.Report check(Id id) throws IOException {
        return Check.run(get(id).file());
    }

    /// Gives up bitmaps that break the format ([Repair#bitmaps]). On the disk when this returns.
    public List<RepairAction> repairBitmaps(Id id, boolean dropUnsupported)
            throws ImageException, IOException {
        LockedImage image = get(id);
        try {
            List<RepairAction> actions =
                    Repair.bitmaps(image.view().image(), image.file(), dropUnsupported, false);
            if (!actions.isEmpty()) {
                meters.repairedBitmaps();
            }
            return actions;
        } catch (ChangeRefusedException e) {
            throw new ImageRefusedException(id, e);
        }
    }

    /// Takes leaked clusters out of use ([Repair#leaks]). On the disk when this returns.
    public List<RepairAction> repairLeaks(Id id) throws IOException {
        List<RepairAction> actions = Repair.leaks(get(id).file(), false);
        if (!actions.isEmpty()) {
            meters.repairedLeaks();
        }
        return actions;
    }

    LockedImage image(Id id) {
        return get(id);
    }

    /// A change of one image, on its way to be made valid.
    record Prepared(LockedImage image, Commit commit) {}

    /// Makes all drafts true, or none.
    void commit() throws ImageException, IOException {
        List<Prepared> prepared = new ArrayList<>();
        boolean complete = false;
        try {
            for (LockedImage image : images.values().stream().distinct().toList()) {
                BitmapsDraft draft = image.draftIfAny();
                if (draft != null && image.isWritable()) {
                    prepared.add(new Prepared(image, plan(image, draft)));
                }
            }
            // Whatever forbids the change to any of them is known by now.
            for (Prepared one : prepared) {
                write(one);
            }
            complete = true;
        } finally {
            if (!complete) {
                prepared.forEach(ready -> ready.commit.abandon());
            }
        }
        List<Prepared> changing = prepared.stream().filter(p -> p.commit.sector() != null).toList();
        try {
            if (changing.size() > 1) {
                journal.commit(changing);
            } else {
                for (Prepared one : changing) {
                    commit(one);
                }
            }
        } catch (OutcomeUnknownException e) {
            meters.commitUnknown();
            throw e;
        }
        meters.committed(changing.size());
        changing.forEach(LockedImages::finish);
    }

    private static Commit plan(LockedImage image, BitmapsDraft draft)
            throws ImageRefusedException, IOException {
        try {
            return Commit.plan(draft);
        } catch (ChangeRefusedException e) {
            throw new ImageRefusedException(image.id(), e);
        }
    }

    private static void write(Prepared planned) throws ImageRefusedException, IOException {
        try {
            planned.commit.write();
        } catch (ChangeRefusedException e) {
            throw new ImageRefusedException(planned.image.id(), e);
        }
    }

    static void commit(Prepared ready) throws IOException {
        try {
            ready.commit.commit();
        } catch (IOException e) {
            throw new OutcomeUnknownException(ready.image.id(), e);
        }
    }

    /// The change is made and answered as made, whatever becomes of what it left.
    private static void finish(Prepared done) {
        try {
            done.commit.finish();
        } catch (IOException e) {
            LOG.warn(
                    "image {} was changed, but clusters that it no longer needs are leaked",
                    done.image.id(),
                    e);
        }
    }

    @Override
    public void close() {
        images.values().stream().distinct().forEach(LockedImage::close);
    }
}
