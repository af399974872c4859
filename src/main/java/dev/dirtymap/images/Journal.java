package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.images.LockedImages.Prepared;
import dev.dirtymap.posix.FolderEntry;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.Commit.Sector;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes changes of several images valid together, power cuts and kills included.
///
/// When everything is prepared and synced, a file in `.dirtymap/transactions` says which sector of which
/// image becomes what. Once that file is on the disk the change is decided: it is made by whoever comes
/// first, the process that wrote it or, if that was stopped, the next of ours that wants one of the images.
/// Then the file goes. It exists for the few milliseconds of the commits only, all images locked.
///
/// Finishing later is only right where nobody wrote to an image in between. So the file also says which
/// version each image had when it was prepared: an image that still has its old sector is finished if that
/// is its version now, and one that has its new sector is done, whatever came after. Anything else is not
/// guessed at: the transaction stays unfinished until an operator decides.
final class Journal {

    private static final Logger LOG = LoggerFactory.getLogger(Journal.class);

    static final String FOLDER = ".dirtymap/transactions";
    private static final String SUFFIX = ".journal";

    /// Far more than the images of any request take.
    private static final int MAX_SIZE = 16 << 20;

    private final RootFolder root;
    private final ImageMeters meters;

    Journal(RootFolder root, ImageMeters meters) {
        this.root = root;
        this.meters = meters;
    }

    /// Makes prepared changes valid.
    ///
    /// @throws ImageReadOnlyException if our own folder must not be written to; then nothing was changed
    void commit(List<Prepared> prepared) throws ImageReadOnlyException, IOException {
        // A later write within the same tick of the file system's clock must show.
        LockSupport.parkNanos(FileVersion.SETTLE_NANOS);
        List<JournalEntry> entries = new ArrayList<>();
        for (Prepared one : prepared) {
            Sector sector = one.commit().sector();
            if (sector != null) {
                entries.add(new JournalEntry(one.image().id(), one.image().version(), sector));
            }
        }
        byte[] path = path(UUID.randomUUID() + SUFFIX);
        try {
            root.createFolders(FOLDER.getBytes(StandardCharsets.UTF_8));
            root.replaceFile(path, JournalEntry.write(entries));
        } catch (AccessDeniedException e) {
            // The images may be written to, the folder may not: there is no journal.
            prepared.forEach(one -> one.commit().abandon());
            throw new ImageReadOnlyException(entries.getFirst().image(), e);
        } catch (IOException e) {
            if (!isGone(path)) {
                throw new OutcomeUnknownException(entries.getFirst().image(), e);
            }
            prepared.forEach(one -> one.commit().abandon());
            throw DiskFile.told(e);
        }
        for (Prepared one : prepared) {
            LockedImages.commit(one);
        }
        if (!isGone(path)) {
            LOG.warn(
                    "the transaction {} was finished, but its journal cannot be deleted",
                    new String(path, StandardCharsets.UTF_8));
        }
    }

    /// Takes a journal away.
    ///
    /// @return whether that is sure
    private boolean isGone(byte[] path) {
        try {
            root.delete(path);
            return true;
        } catch (NoSuchFileException never) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /// Finishes what was cut short and concerns any of these images.
    ///
    /// @param deadline the `System.nanoTime` at which to give up waiting for locks
    /// @throws TransactionUnfinishedException if that would take guessing
    void recover(List<Id> images, long deadline) throws ImageException, IOException {
        for (String name : pending()) {
            Id concerned = concerned(name, images);
            if (concerned != null) {
                finish(name, concerned, deadline);
            }
        }
    }

    /// Whether any journal speaks of these images.
    boolean concerns(List<Id> images) throws IOException {
        for (String name : pending()) {
            if (concerned(name, images) != null) {
                return true;
            }
        }
        return false;
    }

    /// The first of these images that a journal speaks of, by its name or by another one of the same file.
    private @Nullable Id concerned(String name, List<Id> candidates) throws IOException {
        Found found = read(name);
        if (found == null) {
            return null;
        }
        for (Id candidate : candidates) {
            if (found.images.contains(candidate)) {
                return candidate;
            }
        }
        for (Id candidate : candidates) {
            long inode = inode(candidate);
            for (JournalEntry entry : found.entries) {
                if (entry.version().inode() == inode) {
                    return candidate;
                }
            }
        }
        return null;
    }

    /// The file's number; -1 if there is none of this name that we may open.
    private long inode(Id image) {
        try (PosixFile file = root.openFile(image.name(), false)) {
            return file.stat().inode();
        } catch (IOException unreadable) {
            return -1;
        }
    }

    /// The journals that cannot be finished, as paths below the root with the reason.
    List<String> unfinished() throws IOException {
        List<String> unfinished = new ArrayList<>();
        for (String name : pending()) {
            Found found = read(name);
            if (found == null) {
                continue;
            }
            if (found.images.isEmpty()) {
                unfinished.add("%s/%s: %s".formatted(FOLDER, name, found.damage));
                continue;
            }
            try {
                finish(name, found.images.getFirst(), System.nanoTime());
            } catch (ImageLockedException e) {
                // One of ours is at work, and will be done in a moment.
                if (e.holder() != Holder.SERVICE) {
                    unfinished.add(FOLDER + '/' + name + ": " + e.getMessage());
                }
            } catch (ImageException e) {
                unfinished.add(FOLDER + '/' + name + ": " + e.getMessage());
            }
        }
        return unfinished;
    }

    /// What a journal says.
    ///
    /// @param entries none if it is damaged
    /// @param images that it speaks of, as far as that can be told
    /// @param damage why it cannot be followed; null if it can
    private record Found(List<JournalEntry> entries, List<Id> images, @Nullable String damage) {}

    private List<String> pending() throws IOException {
        try {
            return root.list(FOLDER.getBytes(StandardCharsets.UTF_8)).stream()
                    .map(FolderEntry::name)
                    .map(name -> new String(name, StandardCharsets.UTF_8))
                    .filter(name -> name.endsWith(SUFFIX))
                    .sorted()
                    .toList();
        } catch (NoSuchFileException none) {
            return List.of();
        }
    }

    /// Null if it is gone: whoever wrote it has finished.
    ///
    /// Ours is there whole or not at all. One that is damaged all the same stops the images that it still
    /// names, and no others.
    private @Nullable Found read(String name) throws IOException {
        String text;
        try (PosixFile file = root.openFile(path(name), false)) {
            long size = file.channel().size();
            ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(size, MAX_SIZE));
            while (bytes.hasRemaining() && file.channel().read(bytes, bytes.position()) >= 0) {
                // Goes on where it stopped.
            }
            text = new String(bytes.array(), StandardCharsets.UTF_8);
        } catch (NoSuchFileException gone) {
            return null;
        }
        try {
            List<JournalEntry> entries = JournalEntry.read(text);
            return new Found(entries, entries.stream().map(JournalEntry::image).toList(), null);
        } catch (IOException damaged) {
            return new Found(
                    List.of(), JournalEntry.named(text), String.valueOf(damaged.getMessage()));
        }
    }

    private void finish(String name, Id image, long deadline) throws ImageException, IOException {
        Found found = read(name);
        if (found == null) {
            return;
        }
        if (found.damage != null) {
            throw new TransactionUnfinishedException(image, FOLDER + '/' + name, found.damage);
        }
        List<JournalEntry> entries = found.entries;
        List<Id> ids = found.images;
        try (LockedImages locked = lock(name, image, ids, deadline)) {
            // Whoever wrote it may have been waited for.
            if (read(name) == null) {
                return;
            }
            List<JournalEntry> open = new ArrayList<>();
            for (JournalEntry entry : entries) {
                LockedImage one = locked.image(entry.image());
                int state = entry.sector().compare(one.file());
                // One that has its new sector may have it in memory only: it is written again, and
                // synced.
                if (state > 0 || (state < 0 && one.version().equals(entry.version()))) {
                    open.add(entry);
                } else {
                    throw new TransactionUnfinishedException(
                            image,
                            FOLDER + '/' + name,
                            "another program has changed image '%s' since"
                                    .formatted(entry.image().text()));
                }
            }
            for (JournalEntry entry : open) {
                entry.sector().write(locked.image(entry.image()).file());
            }
            root.delete(path(name));
            meters.recovered();
            LOG.info("finished the transaction {} that was cut short: {}", name, ids);
        }
    }

    private LockedImages lock(String name, Id image, List<Id> ids, long deadline)
            throws ImageException, IOException {
        try {
            return LockedImages.lock(root, this, meters, ids, List.of(), deadline);
        } catch (ImageNotFoundException e) {
            throw new TransactionUnfinishedException(
                    image, FOLDER + '/' + name, String.valueOf(e.getMessage()));
        }
    }

    private static byte[] path(String name) {
        return (FOLDER + '/' + name).getBytes(StandardCharsets.UTF_8);
    }
}
