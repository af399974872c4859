package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Allocator.Run;
import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import dev.dirtymap.qcow2.HeaderCluster.Extension;
import dev.dirtymap.qcow2.HeaderCluster.Patch;
import dev.dirtymap.qcow2.HeaderCluster.Switch;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Makes a draft true, and is the only class that writes an image's metadata. Copy-on-write with one switch
/// (`qcow2.md` 3.4): what is stored stays as it is until one sector of the header makes the new state the
/// valid one.
///
/// | step | what is written | if power is lost in it |
/// |---|---|---|
/// | [#plan] | nothing; disk space is reserved | nothing, or unused space is reserved |
/// | [#write] 1 | data clusters, tables, directory, new refcount blocks and table; refcounts of these in blocks that are there | some clusters are leaked |
/// | sync | so that no pointer written later can point to what is not there | |
/// | 2 | pointers to new refcount blocks, or to the new refcount table: 12 bytes in the first sector | some clusters are leaked |
/// | sync | so that every cluster that the switch brings into use has its refcount | |
/// | 3 | bytes of the header cluster that nobody reads | nothing |
/// | sync | so that the switch brings only whole extensions into force | |
/// | [#commit] | one sector of the header cluster: the switch | the old state or the new one |
/// | sync | so that what is answered lasts, and what was left may be reused | |
/// | [#finish] 1 | the second switch, where the header needs one | a header longer than usual |
/// | sync | as above | |
/// | 2 | refcounts of what was left become 0, and it is discarded: nobody reads it, so no sync is waited for | some clusters are leaked |
public final class Commit {

    private static final int PIECE = 64 << 10;

    private final BitmapsDraft draft;
    private final ImageFile file;
    private final Header header;
    private final ClusterUse use;
    private final Allocator allocator;
    private final Map<DraftEntry, TablePlan> tables = new LinkedHashMap<>();
    private @Nullable Run directory;
    private long directorySize;
    private List<Switch> switches = List.of();
    private boolean written;

    private Commit(BitmapsDraft draft) throws IOException {
        this.draft = draft;
        this.file = draft.file();
        this.header = draft.image().header();
        this.use = new ClusterUse(header.clusterBits());
        // Where refcounts may be wrong, what lies past the end of the file is free all the same.
        long from = draft.isRepair() ? clusters(file.size()) : 0;
        this.allocator = new Allocator(file, header, from);
    }

    /// Finds out whether a draft can be made true, chooses clusters and reserves the disk space. Nothing is
    /// written yet, so several images can be planned before any of them is written to.
    ///
    /// @throws ChangeRefusedException if limits, the header's room or wrong refcounts forbid it
    /// @throws NoSpaceException if the disk has no room
    public static Commit plan(BitmapsDraft draft) throws ChangeRefusedException, IOException {
        Commit commit = new Commit(draft);
        if (draft.isChanged()) {
            commit.plan();
            // What was said may come to what is there, as when a bitmap is made and deleted.
            if (!commit.switches.isEmpty()) {
                commit.reserve();
            }
        }
        return commit;
    }

    /// Plans and writes the change of one image.
    ///
    /// @throws IOException if it fails: then the old state is valid, with some clusters leaked at worst
    static Commit prepare(BitmapsDraft draft) throws ChangeRefusedException, IOException {
        Commit commit = plan(draft);
        try {
            commit.write();
            return commit;
        } catch (IOException e) {
            commit.abandon();
            throw e;
        }
    }

    /// Writes everything that the new state needs beside the old one, and syncs it.
    ///
    /// @throws IOException if it fails: then the old state is valid; [#abandon] takes back what was written
    public void write() throws ChangeRefusedException, IOException {
        written = true;
        if (switches.isEmpty()) {
            return;
        }
        writeClusters();
        file.sync();
        allocator.linkRefcounts();
        switches = switches();
        // Nothing may have changed in the end, such as a reference point that was removed but
        // never was.
        if (!switches.isEmpty()) {
            writeBefore(switches.getFirst());
        }
    }

    /// The sector that makes the new state valid, for a journal: where it is, what it is, what it will be.
    /// Null if nothing changes.
    public @Nullable Sector sector() {
        if (switches.isEmpty()) {
            return null;
        }
        Switch first = switches.getFirst();
        return new Sector(first.sector().offset(), first.old(), first.sector().bytes());
    }

    /// One sector of the header cluster, before and after.
    ///
    /// @param offset in bytes from the start of the file
    public record Sector(long offset, byte[] before, byte[] after) {

        /// Writes the sector after, and syncs it.
        public void write(ImageFile file) throws IOException {
            file.write(offset, ByteBuffer.wrap(after));
            file.sync();
        }

        /// What the file has there now: -1 the sector before, 1 that after, 0 another.
        public int compare(ImageFile file) throws IOException {
            byte[] now = new byte[before.length];
            file.read(offset, ByteBuffer.wrap(now));
            return Arrays.equals(now, after) ? 1 : Arrays.equals(now, before) ? -1 : 0;
        }
    }

    /// Makes the new state valid. It is on the disk when this returns.
    ///
    /// @throws IOException if it fails: the old state or the new one is valid, and both are whole
    public void commit() throws IOException {
        Sector sector = sector();
        if (sector != null) {
            sector.write(file);
        }
    }

    /// Tidies up: gives back what the old state used. A failure leaves clusters leaked and nothing worse.
    public void finish() throws IOException {
        for (Switch more : switches.stream().skip(1).toList()) {
            writeBefore(more);
            file.write(more.sector().offset(), ByteBuffer.wrap(more.sector().bytes()));
            file.sync();
        }
        if (!switches.isEmpty()) {
            free(use.free());
        }
    }

    private Header headerNow() throws IOException {
        return Header.read(new Window(file, PIECE))
                .orElseThrow(() -> new IOException("the image has no header any more"));
    }

    private void free(List<Run> runs) throws IOException {
        Header now = headerNow();
        List<Run> freed = new RefcountUpdate(file, now).free(runs);
        if (freed.isEmpty()) {
            return;
        }
        for (Run run : freed) {
            file.discard(run.first() << header.clusterBits(), run.count() << header.clusterBits());
        }
    }

    /// Chooses clusters and makes sure that everything fits.
    private void plan() throws ChangeRefusedException, IOException {
        BitmapDirectory old = draft.image().bitmaps();
        if (old.isOrphaned()) {
            planOrphaned();
            return;
        }
        for (int i = 0; i < old.count(); i++) {
            if (draft.entries().isRemoved(i)) {
                use.leave(old.get(i), file, header);
            }
            DraftEntry entry = draft.entries().edited(i);
            if (entry != null) {
                plan(entry);
            }
        }
        for (DraftEntry entry : draft.entries().added()) {
            plan(entry);
        }
        for (TablePlan table : tables.values()) {
            table.allocate(allocator);
        }
        if (draft.isDirectoryChanged()) {
            planDirectory();
        }
        switches = switches();
        if (draft.isDirectoryChanged()) {
            use.count(file, header, draft.image().extensions(), allocator.runs());
        }
    }

    private void planDirectory() throws ChangeRefusedException, IOException {
        directorySize = draft.entries().directorySize();
        if (directorySize > BitmapsExtension.MAX_DIRECTORY_SIZE) {
            throw new ChangeRefusedException(
                    Kind.LIMIT_EXCEEDED,
                    "the bitmap directory would have %d bytes, but at most %d are allowed"
                            .formatted(directorySize, BitmapsExtension.MAX_DIRECTORY_SIZE));
        }
        if (directorySize > 0) {
            directory = allocator.contiguous(clusters(directorySize));
        }
        allocator.growTable();
        if (allocator.newTable().count() > 0) {
            use.leave(
                    header.refcountTableOffset(),
                    (long) header.refcountTableClusters() << header.clusterBits());
        }
        leaveDirectory();
    }

    /// The bitmaps are void, and what they used may be used by others by now. So no refcount is touched, and
    /// entries that stay are written where they are, provided that nobody else is there: those that go come
    /// last, so that the extension can leave them out by its size.
    private void planOrphaned() throws ChangeRefusedException, IOException {
        directorySize = draft.entries().directorySize();
        List<Run> taken = List.of();
        if (directorySize > 0) {
            BitmapsExtension now =
                    draft.image()
                            .extensions()
                            .last(HeaderExtension.Bitmaps.class)
                            .map(BitmapsExtension::parse)
                            .orElseThrow();
            OrphanedDirectory.requireSmall(now.directorySize());
            directory =
                    new Run(
                            now.directoryOffset() >>> header.clusterBits(),
                            clusters(now.directorySize()));
            taken = List.of(directory);
        }
        switches = switches();
        use.count(file, header, draft.image().extensions(), taken);
    }

    /// Plans the table of a bitmap whose bits change.
    private void plan(DraftEntry entry) throws IOException {
        Content content = entry.content;
        if (entry.own != null && content.isJust(entry.own)) {
            return;
        }
        TablePlan table =
                new TablePlan(
                        file,
                        draft.geometry(entry),
                        content,
                        entry.own,
                        entry.stored == null ? 0 : entry.stored.entry().tableOffset());
        table.measure(use);
        tables.put(entry, table);
    }

    private void leaveDirectory() {
        draft.image()
                .extensions()
                .last(HeaderExtension.Bitmaps.class)
                .filter(now -> BitmapsExtension.check(now, header.clusterSize()) == null)
                .map(BitmapsExtension::parse)
                .ifPresent(now -> use.leave(now.directoryOffset(), now.directorySize()));
    }

    /// How the header comes to the new state.
    private List<Switch> switches() throws IOException, ChangeRefusedException {
        HeaderCluster cluster = HeaderCluster.read(file, headerNow());
        List<Extension> next = new ArrayList<>();
        boolean kept = !draft.isDirectoryChanged();
        boolean placed = kept || directory == null;
        for (Extension extension : cluster.extensions()) {
            if (extension.id() == ReferencePoints.EXTENSION) {
                continue;
            }
            if (kept || extension.id() != HeaderExtension.BITMAPS) {
                next.add(extension);
            } else if (!placed) {
                next.add(bitmapsExtension());
                placed = true;
            }
        }
        if (!placed) {
            next.add(bitmapsExtension());
        }
        byte[] points = draft.currentPoints().toBytes();
        if (points != null) {
            next.add(new Extension(ReferencePoints.EXTENSION, points));
        }
        // A bit that we do not know says that something is in step with the image, which it no
        // longer is.
        long known =
                header.autoclearFeatures()
                        & ~Feature.unknown(Feature.Word.AUTOCLEAR, header.autoclearFeatures());
        boolean valid = directory != null && !draft.image().bitmaps().isOrphaned();
        return cluster.to(
                next,
                kept
                        ? known
                        : (known & ~Feature.BITMAPS.mask()) | (valid ? Feature.BITMAPS.mask() : 0));
    }

    private Extension bitmapsExtension() {
        BitmapsExtension payload =
                new BitmapsExtension(
                        draft.entries().count(), directorySize, offset(required(directory)));
        return new Extension(HeaderExtension.BITMAPS, payload.toBytes());
    }

    /// Makes sure of the disk space, before the first byte is written.
    private void reserve() throws ChangeRefusedException, IOException {
        // A file that was copied with holes may have one where the header is to be written.
        for (Switch step : switches) {
            for (Patch patch : step.before()) {
                file.reserve(patch.offset(), patch.bytes().length);
            }
            file.reserve(step.sector().offset(), step.sector().bytes().length);
        }
        allocator.reserve();
    }

    /// Takes the new clusters out of use again, if the disk lets us, and gives back what was reserved. Not
    /// after [#commit].
    public void abandon() {
        if (!written) {
            allocator.giveBack(allocator.runs());
            return;
        }
        try {
            free(allocator.runs().stream().filter(run -> !holdsRefcounts(run)).toList());
        } catch (IOException untold) {
            // They are leaked, and nothing worse.
        }
    }

    /// Whether refcounts are in there, which may be in force by now.
    private boolean holdsRefcounts(Run run) {
        return run.equals(allocator.newTable())
                || allocator.newBlocks().values().stream()
                        .anyMatch(cluster -> cluster >= run.first() && cluster < run.end());
    }

    private void writeBefore(Switch step) throws IOException {
        if (step.before().isEmpty()) {
            return;
        }
        for (Patch patch : step.before()) {
            file.write(patch.offset(), ByteBuffer.wrap(patch.bytes()));
        }
        file.sync();
    }

    private void writeClusters() throws IOException {
        for (TablePlan table : tables.values()) {
            table.write();
        }
        if (directory != null) {
            new DirectoryOutput(file, offset(directory)).write(draft, tables);
        }
        new RefcountUpdate(file, header).apply(allocator.runs(), (_, _) -> 1);
        allocator.writeRefcounts();
    }

    private long clusters(long bytes) {
        return (bytes + header.clusterSize() - 1) >>> header.clusterBits();
    }

    private long offset(Run run) {
        return run.first() << header.clusterBits();
    }

    private static <T> T required(@Nullable T value) {
        if (value == null) {
            throw new IllegalStateException("not planned");
        }
        return value;
    }
}
