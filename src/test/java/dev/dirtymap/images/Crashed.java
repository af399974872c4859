package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.images.LockedImages.Prepared;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.Commit;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A transaction over several images that stops between two of its commits: here, or in a process of its own
/// that then waits to be killed.
public final class Crashed {

    public static final String JOURNAL = ".dirtymap/transactions/crashed.journal";

    private Crashed() {}

    /// Run in a process of its own.
    ///
    /// @param arguments the root, how many commits are made, the images
    public static void main(String[] arguments) throws Exception {
        stop(
                Path.of(arguments[0]),
                Integer.parseInt(arguments[1]),
                Arrays.asList(arguments).subList(2, arguments.length),
                () -> {
                    System.out.println("stopped");
                    Thread.sleep(Duration.ofMinutes(5));
                    return true;
                });
    }

    /// What happens while the locks are held.
    public interface Stop {
        boolean here() throws Exception;
    }

    /// Gives every image a bitmap `new` in place of its bitmap `old`, and stops after some commits, with the
    /// journal still there.
    public static void stop(Path folder, int commits, List<String> images, Stop stop)
            throws Exception {
        List<Id> ids = images.stream().map(Crashed::id).toList();
        ImageMeters meters = new ImageMeters(new SimpleMeterRegistry());
        try (RootFolder root = RootFolder.open(folder);
                LockedImages locked =
                        LockedImages.lock(
                                root,
                                new Journal(root, meters),
                                meters,
                                ids,
                                List.of(),
                                System.nanoTime() + TimeUnit.SECONDS.toNanos(30))) {
            List<Prepared> prepared = new ArrayList<>();
            for (Id id : ids) {
                replace(locked, id);
                Commit commit = Commit.plan(locked.draft(id));
                commit.write();
                prepared.add(new Prepared(locked.image(id), commit));
            }
            Thread.sleep(TimeUnit.NANOSECONDS.toMillis(FileVersion.SETTLE_NANOS) + 1);
            List<JournalEntry> entries = new ArrayList<>();
            for (Prepared one : prepared) {
                Commit.Sector sector = one.commit().sector();
                if (sector == null) {
                    throw new AssertionError("nothing changes");
                }
                entries.add(new JournalEntry(one.image().id(), one.image().version(), sector));
            }
            root.createFolders(".dirtymap/transactions".getBytes(UTF_8));
            root.replaceFile(JOURNAL.getBytes(UTF_8), JournalEntry.write(entries));
            for (Prepared one : prepared.subList(0, commits)) {
                LockedImages.commit(one);
            }
            stop.here();
        }
    }

    /// What the transaction does to one image.
    static void replace(LockedImages locked, Id id) throws ImageException, IOException {
        try {
            locked.draft(id).create("new".getBytes(UTF_8), 4096L, true, null);
            locked.draft(id).delete("old".getBytes(UTF_8));
        } catch (ChangeRefusedException e) {
            throw new AssertionError(e);
        }
    }

    static Id id(String image) {
        return Id.of(image.getBytes(UTF_8));
    }
}
