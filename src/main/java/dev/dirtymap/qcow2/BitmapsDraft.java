package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The bitmaps of an image as they shall be. Operations are said here one after the other, each seeing what
/// those before it did; nothing is written until [Commit] does it, all at once. Whoever uses this holds the
/// image's writer lock from before the image was opened.
///
/// Only what is changed is kept in memory: all other entries stay what they are, byte for byte.
public final class BitmapsDraft {

    /// How many bitmaps one may be the union of in one change: each takes a buffer.
    private static final int MAX_SOURCES = 1001;

    private final Image image;
    private final ImageFile file;
    private final BitmapDirectory directory;
    private final ReferencePoints points;

    private final DraftEntries entries;

    /// Whether anything was said, and whether it takes a new directory.
    private boolean changed;

    private boolean directoryChanged;
    private boolean repair;

    /// @param image what `file` says now; not held for writing by anybody else
    public BitmapsDraft(Image image, ImageFile file) {
        this.image = image;
        this.file = file;
        this.directory = image.bitmaps();
        this.entries = new DraftEntries(directory, file);
        this.points = ReferencePoints.of(image.extensions()).copy();
    }

    Image image() {
        return image;
    }

    ImageFile file() {
        return file;
    }

    boolean isChanged() {
        return changed;
    }

    /// Whether more than reference points was changed.
    boolean isDirectoryChanged() {
        return directoryChanged;
    }

    /// The reference points of the bitmaps that there are.
    ReferencePoints currentPoints() throws IOException {
        ReferencePoints current = points.copy();
        for (byte[] name : points.names()) {
            if (!contains(name)) {
                current.put(name, null);
            }
        }
        return current;
    }

    /// @throws ChangeRefusedException if the image as a whole must not be changed
    private void requireChangeable() throws ChangeRefusedException {
        requireSound(image.header());
        if (directory.isOrphaned()) {
            throw new ChangeRefusedException(Kind.ORPHANED, BitmapDirectory.ORPHANED);
        }
        requireReadable();
    }

    /// @throws ChangeRefusedException if the dirty or the corrupt bit is set
    static void requireSound(Header header) throws ChangeRefusedException {
        if (header.has(Feature.CORRUPT)) {
            throw new ChangeRefusedException(
                    Kind.IMAGE_CORRUPT,
                    "the corrupt bit is set: a program found its metadata damaged");
        }
        if (header.has(Feature.DIRTY)) {
            throw new ChangeRefusedException(
                    Kind.IMAGE_DIRTY, "the dirty bit is set: its refcounts cannot be trusted");
        }
    }

    private void requireReadable() throws ChangeRefusedException {
        String broken = directory.reason();
        if (broken != null) {
            throw new ChangeRefusedException(Kind.DIRECTORY_BROKEN, broken);
        }
    }

    /// Adds an empty bitmap, behind all others.
    ///
    /// @param granularity a power of two from 512 to 2 GiB; null for QEMU's default, the cluster size but at
    ///     least 4 KiB and at most 64 KiB
    public void create(
            byte[] name,
            @Nullable Long granularity,
            boolean enabled,
            @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        requireChangeable();
        int defaultBits = Math.clamp(image.header().clusterBits(), 12, 16);
        add(
                name,
                granularity == null ? defaultBits : BitmapLimits.granularityBits(granularity),
                enabled,
                Content.EMPTY,
                referencePoint);
    }

    private void add(
            byte[] name,
            int granularityBits,
            boolean enabled,
            Content content,
            @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        if (image.header().version() < 3) {
            throw new ChangeRefusedException(
                    Kind.IMAGE_VERSION, "the image has version 2, which cannot hold bitmaps");
        }
        BitmapLimits.requireName(name);
        requireAbsent(name);
        BitmapLimits.requireRoom(
                name, new Geometry(virtualSize(), granularityBits, clusterBits()), count());
        DraftEntry entry = new DraftEntry(-1, granularityBits, name, enabled, null, null, content);
        entries.add(entry);
        points.put(name, referencePoint);
        changed = true;
        directoryChanged = true;
    }

    private void requireAbsent(byte[] name) throws ChangeRefusedException, IOException {
        if (contains(name)) {
            throw new ChangeRefusedException(
                    Kind.BITMAP_EXISTS, "bitmap '%s' exists already".formatted(Names.text(name)));
        }
    }

    /// Removes a bitmap, whatever its state.
    public void delete(byte[] name) throws ChangeRefusedException, IOException {
        requireSound(image.header());
        requireReadable();
        if (!entries.remove(name)) {
            throw notFound(name);
        }
        points.put(name, null);
        changed = true;
        directoryChanged = true;
    }

    /// Removes all bitmaps in some states.
    ///
    /// @return their names, in directory order
    public List<byte[]> deleteAll(Predicate<BitmapState> states)
            throws ChangeRefusedException, IOException {
        requireSound(image.header());
        requireReadable();
        List<byte[]> names = new ArrayList<>();
        for (int i = 0; i < directory.count(); i++) {
            Bitmap bitmap = directory.get(i);
            if (states.test(bitmap.state())) {
                names.add(bitmap.name());
                entries.removeAt(i);
                points.put(bitmap.name(), null);
                changed = true;
                directoryChanged = true;
            }
        }
        return names;
    }

    /// Removes entries whatever they are, on an image in whatever state: for a repair.
    void giveUp(List<Integer> positions) throws IOException {
        for (int position : positions) {
            entries.removeAt(position);
        }
        repair = true;
        changed = true;
        directoryChanged = true;
    }

    /// Whether refcounts may be wrong.
    boolean isRepair() {
        return repair;
    }

    /// Makes all granules clean. The reference point goes unless a new one is given.
    public void clear(byte[] name, @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        DraftEntry entry = edit(name);
        entry.content = Content.EMPTY;
        points.put(name, referencePoint);
    }

    /// Says whether programs that write to the disk must keep the bitmap up to date.
    public void enable(byte[] name, boolean enabled) throws ChangeRefusedException, IOException {
        requireChangeable();
        if (look(name).enabled != enabled) {
            edit(name).enabled = enabled;
        }
    }

    /// Gives a bitmap another name. Its place, its content and its reference point stay.
    public void rename(byte[] name, byte[] newName) throws ChangeRefusedException, IOException {
        BitmapLimits.requireName(newName);
        DraftEntry entry = edit(name);
        if (Arrays.equals(name, newName)) {
            return;
        }
        requireAbsent(newName);
        entries.rename(entry, newName);
        ReferencePoint point = points.get(name);
        points.put(name, null);
        points.put(newName, point);
    }

    /// Sets, or with null removes, what a bitmap is relative to.
    public void refer(byte[] name, @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        requireChangeable();
        look(name);
        points.put(name, referencePoint);
        changed = true;
    }

    /// What a bitmap is relative to, as it stands in this draft.
    public @Nullable ReferencePoint referencePoint(byte[] name) {
        return points.get(name);
    }

    /// Makes dirty in one bitmap what is dirty in another, of this image or of another one.
    ///
    /// @param from this draft, or that of the other image
    public void merge(byte[] name, BitmapsDraft from, byte[] source)
            throws ChangeRefusedException, IOException {
        DraftEntry entry = edit(name);
        DraftEntry other = from.look(source);
        requireSameSize(name, from, source);
        Content union = entry.content.union(other.content, other.granularityBits);
        if (union.sourceCount() > MAX_SOURCES) {
            throw new ChangeRefusedException(
                    Kind.LIMIT_EXCEEDED,
                    "bitmap '%s' would be merged from more than %d bitmaps at once"
                            .formatted(Names.text(name), MAX_SOURCES));
        }
        entry.content = union;
    }

    /// Adds a bitmap with the content of another one and its reference point.
    ///
    /// @param from the draft of the image that has the source: this one or another
    /// @param granularity null for that of the source
    /// @param enabled null for that of the source
    /// @param referencePoint null for that of the source
    public void copy(
            BitmapsDraft from,
            byte[] source,
            byte[] name,
            @Nullable Long granularity,
            @Nullable Boolean enabled,
            @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        requireChangeable();
        DraftEntry other = from.look(source);
        requireSameSize(name, from, source);
        add(
                name,
                granularity == null
                        ? other.granularityBits
                        : BitmapLimits.granularityBits(granularity),
                enabled == null ? other.enabled : enabled,
                Content.EMPTY.union(other.content, other.granularityBits),
                referencePoint == null ? from.points.get(source) : referencePoint);
    }

    private void requireSameSize(byte[] name, BitmapsDraft from, byte[] source)
            throws ChangeRefusedException {
        if (from.virtualSize() != virtualSize()) {
            throw new ChangeRefusedException(
                    Kind.SIZE_MISMATCH,
                    "bitmap '%s' is of a disk of %d bytes, but its source '%s' of one of %d bytes"
                            .formatted(
                                    Names.text(name),
                                    virtualSize(),
                                    Names.text(source),
                                    from.virtualSize()));
        }
    }

    /// Makes ranges of the disk dirty, or clean; clean only granules that lie wholly inside a range.
    ///
    /// @param ranges in any order
    /// @param referencePoint where ranges become clean, what the bitmap is relative to from now on; null for
    ///     nothing
    public void mark(
            byte[] name,
            List<Extent> ranges,
            boolean dirty,
            @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        DraftEntry entry = edit(name);
        Geometry geometry = geometry(entry);
        for (Extent range : ranges) {
            if (range.offset() < 0
                    || range.length() < 0
                    || range.offset() > virtualSize() - range.length()) {
                throw new ChangeRefusedException(
                        Kind.OUT_OF_RANGE,
                        "the range from %d of %d bytes reaches beyond the end of the disk at %d"
                                .formatted(range.offset(), range.length(), virtualSize()));
            }
        }
        entry.content = entry.content.mark(Ranges.joined(ranges, geometry, dirty), dirty);
        if (!dirty) {
            points.put(name, referencePoint);
        } else if (referencePoint != null) {
            points.put(name, referencePoint);
        }
    }

    /// Replaces the content. The reference point goes unless a new one is given.
    ///
    /// @param bits in this bitmap's own granularity
    public void replace(byte[] name, BitSource bits, @Nullable ReferencePoint referencePoint)
            throws ChangeRefusedException, IOException {
        DraftEntry entry = edit(name);
        entry.content = Content.of(new Content.Source(bits, geometry(entry)));
        points.put(name, referencePoint);
    }

    /// Whether there is a bitmap of this name now.
    public boolean contains(byte[] name) throws IOException {
        return entries.contains(name);
    }

    /// How many bitmaps there are now.
    int count() {
        return entries.count();
    }

    /// A bitmap to be changed.
    private DraftEntry edit(byte[] name) throws ChangeRefusedException, IOException {
        requireChangeable();
        DraftEntry entry = look(name);
        entries.keep(entry);
        changed = true;
        directoryChanged = true;
        return entry;
    }

    /// A bitmap whose content can be trusted.
    private DraftEntry look(byte[] name) throws ChangeRefusedException, IOException {
        DraftEntry entry = entries.find(name);
        if (entry == null) {
            requireReadable();
            throw notFound(name);
        }
        return entry;
    }

    private static ChangeRefusedException notFound(byte[] name) {
        return new ChangeRefusedException(
                Kind.BITMAP_NOT_FOUND, "there is no bitmap '%s'".formatted(Names.text(name)));
    }

    private long virtualSize() {
        return image.header().virtualSize();
    }

    private int clusterBits() {
        return image.header().clusterBits();
    }

    Geometry geometry(DraftEntry entry) {
        return new Geometry(virtualSize(), entry.granularityBits, clusterBits());
    }

    DraftEntries entries() {
        return entries;
    }
}
