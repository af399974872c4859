package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The entries of a directory as they shall be. Only those that differ from what is stored are in memory.
final class DraftEntries {

    private final BitmapDirectory directory;
    private final ImageFile file;

    /// Changed ones by position, new ones in order.
    private final Map<Integer, DraftEntry> edited = new HashMap<>();

    private final List<DraftEntry> added = new ArrayList<>();

    /// All of these by the name they have now.
    private final Map<ByteBuffer, DraftEntry> byName = new HashMap<>();

    /// Names that stored bitmaps have no more.
    private final Set<ByteBuffer> gone = new HashSet<>();

    private final BitSet removed = new BitSet();
    private final Map<Integer, Content.Source> sources = new HashMap<>();

    DraftEntries(BitmapDirectory directory, ImageFile file) {
        this.directory = directory;
        this.file = file;
    }

    int count() {
        return directory.count() - removed.cardinality() + added.size();
    }

    boolean isRemoved(int position) {
        return removed.get(position);
    }

    @Nullable DraftEntry edited(int position) {
        return edited.get(position);
    }

    List<DraftEntry> added() {
        return added;
    }

    /// Bytes of the directory that has all of them.
    long directorySize() throws IOException {
        long size = 0;
        for (int i = 0; i < directory.count(); i++) {
            DraftEntry entry = edited.get(i);
            if (entry != null) {
                size += entry.length();
            } else if (!removed.get(i)) {
                size += directory.length(i);
            }
        }
        for (DraftEntry entry : added) {
            size += entry.length();
        }
        return size;
    }

    boolean contains(byte[] name) throws IOException {
        ByteBuffer key = ByteBuffer.wrap(name);
        return byName.containsKey(key) || (!gone.contains(key) && directory.find(name) >= 0);
    }

    /// A bitmap whose content can be trusted; null if there is none of this name.
    ///
    /// @throws ChangeRefusedException if its content cannot be trusted
    @Nullable DraftEntry find(byte[] name) throws ChangeRefusedException, IOException {
        ByteBuffer key = ByteBuffer.wrap(name);
        DraftEntry known = byName.get(key);
        if (known != null) {
            return known;
        }
        int position = gone.contains(key) ? -1 : directory.find(name);
        if (position < 0) {
            return null;
        }
        Bitmap stored = directory.get(position);
        if (stored.state() != BitmapState.CONSISTENT) {
            throw new ChangeRefusedException(stored);
        }
        Content.Source own = sources.computeIfAbsent(position, _ -> source(stored));
        return new DraftEntry(
                position,
                stored.granularityBits(),
                name,
                stored.enabled(),
                stored,
                own,
                Content.of(own));
    }

    private Content.Source source(Bitmap stored) {
        BitmapReader reader = stored.reader(file);
        return new Content.Source(
                (bit, run) -> reader.read(bit, run, System.nanoTime() + Long.MAX_VALUE / 2),
                stored.geometry());
    }

    /// Keeps an entry that [#find] gave, from now on with what is changed in it.
    void keep(DraftEntry entry) {
        if (entry.position >= 0) {
            edited.put(entry.position, entry);
            byName.put(ByteBuffer.wrap(entry.name), entry);
        }
    }

    void add(DraftEntry entry) {
        added.add(entry);
        byName.put(ByteBuffer.wrap(entry.name), entry);
    }

    void rename(DraftEntry entry, byte[] newName) {
        byName.remove(ByteBuffer.wrap(entry.name));
        if (entry.stored != null) {
            gone.add(ByteBuffer.wrap(entry.stored.name()));
        }
        entry.name = newName.clone();
        byName.put(ByteBuffer.wrap(entry.name), entry);
    }

    /// Removes a bitmap in whatever state, or several broken ones that share a name.
    ///
    /// @return whether there was any
    boolean remove(byte[] name) throws IOException {
        ByteBuffer key = ByteBuffer.wrap(name.clone());
        DraftEntry entry = byName.remove(key);
        if (entry != null) {
            if (entry.position < 0) {
                added.remove(entry);
            } else {
                edited.remove(entry.position);
                removeAt(entry.position);
            }
            return true;
        }
        if (gone.contains(key)) {
            return false;
        }
        List<Integer> found = directory.findAll(name);
        for (int position : found) {
            removeAt(position);
        }
        return !found.isEmpty();
    }

    /// Removes a stored bitmap that was not changed before.
    void removeAt(int position) throws IOException {
        removed.set(position);
        gone.add(ByteBuffer.wrap(directory.name(position)));
    }
}
