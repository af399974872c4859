package dev.dirtymap.images;

import dev.dirtymap.images.LockedImages.Prepared;
import dev.dirtymap.posix.FolderEntry;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.Commit.Sector;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
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

    private static final String FOLDER = ".dirtymap/transactions";
    private static final String SUFFIX = ".journal";

    private final RootFolder root;

    Journal(RootFolder root) {
        this.root = root;
    }

    /// Makes prepared changes valid.
    void commit(List<Prepared> prepared) throws IOException {
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
        root.createFolders(FOLDER.getBytes(StandardCharsets.UTF_8));
        root.replaceFile(path, JournalEntry.write(entries));
        for (Prepared one : prepared) {
            LockedImages.commit(one);
        }
        root.delete(path);
    }

    /// Finishes what was cut short and concerns any of these images.
    ///
    /// @param deadline the `System.nanoTime` at which to give up waiting for locks
    /// @throws TransactionUnfinishedException if that would take guessing
    void recover(List<Id> images, long deadline) throws ImageException, IOException {
        for (String name : pending()) {
            List<JournalEntry> entries = read(name);
            if (entries == null) {
                continue;
            }
            for (Id image : images) {
                if (entries.stream().anyMatch(entry -> entry.image().equals(image))) {
                    finish(name, image, deadline);
                    break;
                }
            }
        }
    }

    /// Whether any journal speaks of these images.
    boolean concerns(List<Id> images) throws IOException {
        for (String name : pending()) {
            List<JournalEntry> entries = read(name);
            if (entries != null
                    && entries.stream().anyMatch(entry -> images.contains(entry.image()))) {
                return true;
            }
        }
        return false;
    }

    /// The journals that cannot be finished, as paths below the root with the reason.
    List<String> unfinished() throws IOException {
        List<String> found = new ArrayList<>();
        for (String name : pending()) {
            List<JournalEntry> entries = read(name);
            if (entries == null) {
                continue;
            }
            try {
                finish(name, entries.getFirst().image(), System.nanoTime());
            } catch (ImageException e) {
                found.add(FOLDER + '/' + name + ": " + e.getMessage());
            }
        }
        return found;
    }

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
    private @Nullable List<JournalEntry> read(String name) throws IOException {
        try (PosixFile file = root.openFile(path(name), false)) {
            ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(file.channel().size()));
            while (bytes.hasRemaining() && file.channel().read(bytes, bytes.position()) >= 0) {
                // Goes on where it stopped.
            }
            return JournalEntry.read(new String(bytes.array(), StandardCharsets.UTF_8));
        } catch (NoSuchFileException gone) {
            return null;
        }
    }

    private void finish(String name, Id image, long deadline) throws ImageException, IOException {
        List<JournalEntry> entries = read(name);
        if (entries == null) {
            return;
        }
        List<Id> ids = entries.stream().map(JournalEntry::image).toList();
        try (LockedImages locked = lock(name, image, ids, deadline)) {
            // Whoever wrote it may have been waited for.
            if (read(name) == null) {
                return;
            }
            List<JournalEntry> open = new ArrayList<>();
            for (JournalEntry entry : entries) {
                LockedImage one = locked.image(entry.image());
                int state = entry.sector().compare(one.file());
                if (state < 0 && one.version().equals(entry.version())) {
                    open.add(entry);
                } else if (state <= 0) {
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
            LOG.info("finished the transaction {} that was cut short: {}", name, ids);
        }
    }

    private LockedImages lock(String name, Id image, List<Id> ids, long deadline)
            throws ImageException, IOException {
        try {
            return LockedImages.lock(root, this, ids, List.of(), deadline);
        } catch (ImageNotFoundException e) {
            throw new TransactionUnfinishedException(
                    image, FOLDER + '/' + name, String.valueOf(e.getMessage()));
        }
    }

    private static byte[] path(String name) {
        return (FOLDER + '/' + name).getBytes(StandardCharsets.UTF_8);
    }
}
