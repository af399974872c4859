package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Allocator.Run;
import java.io.IOException;
import java.util.List;

/// Repairs what a [Check] found, without touching guest data or its tables. Whoever calls this holds the
/// image's writer lock. Both repairs are for images that no other program may change, too: those with the
/// corrupt or the dirty bit.
public final class Repair {

    private Repair() {}

    /// Lowers the refcounts of leaked clusters to the number of references. Each refcount is old or new
    /// whenever power is lost.
    ///
    /// @param dryRun whether only to say what would be done
    /// @return what was done; nothing where references are hidden by something broken, since what looks
    ///     leaked may be in use then
    public static List<RepairAction> leaks(ImageFile file, boolean dryRun) throws IOException {
        long[] clusters = {0};
        Check.Report report = Check.run(file, (_, count, _) -> clusters[0] += count);
        if (!report.complete() || clusters[0] == 0) {
            return List.of();
        }
        if (!dryRun) {
            Header header = Header.read(new Window(file, 4096)).orElseThrow();
            RefcountUpdate update = new RefcountUpdate(file, header);
            Check.run(
                    file,
                    (first, count, references) -> {
                        update.apply(List.of(new Run(first, count)), (_, _) -> references);
                        // Where anything is broken, what refers to them may be missing: a file that
                        // was cut
                        // has lost tables, and may get them back.
                        if (references == 0 && report.corruptions() == 0) {
                            giveBack(file, header, first, count);
                        }
                    });
            file.sync();
        }
        return List.of(new RepairAction.FreeClusters(clusters[0]));
    }

    /// Nobody reads these clusters, so it may happen before their refcounts are on the disk. Room that cannot be given
    /// back does no harm.
    private static void giveBack(ImageFile file, Header header, long first, long count) {
        try {
            file.discard(first << header.clusterBits(), count << header.clusterBits());
        } catch (IOException keptAllTheSame) {
            // Is used again by the next change.
        }
    }

    /// Makes an image openable again by giving up the bitmaps that break the format. All good ones are kept.
    ///
    /// @param dropUnsupported whether bitmaps that are legal but unknown to us or QEMU go too
    /// @param dryRun whether only to say what would be done
    /// @return what was done
    public static List<RepairAction> bitmaps(
            Image image, ImageFile file, boolean dropUnsupported, boolean dryRun)
            throws ChangeRefusedException, IOException {
        BitmapsRepair.Decision decision =
                new BitmapsRepair(image.bitmaps(), dropUnsupported).decide();
        if (!dryRun && decision.isNeeded()) {
            BitmapsDraft draft = new BitmapsDraft(image, file);
            draft.giveUp(decision.positions());
            Commit commit = Commit.prepare(draft);
            commit.commit();
            commit.finish();
        }
        return decision.actions();
    }
}
