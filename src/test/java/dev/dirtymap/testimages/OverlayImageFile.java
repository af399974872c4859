package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SortedMap;
import java.util.TreeMap;

/// A changed view of an image file that stays as it is: only the sectors that differ are kept.
///
/// So thousands of states of one large file cost little, and can be written, read and thrown away.
public final class OverlayImageFile implements ImageFile {

    static final int SECTOR = 512;

    /// How much is compared at once. A multiple of the sector.
    private static final int PIECE = 128 * SECTOR;

    private final ImageFile base;
    private final long baseSize;

    /// By index; nobody changes the bytes, so that copies can share them.
    private final NavigableMap<Long, byte[]> sectors;

    private long size;

    private OverlayImageFile(
            ImageFile base, long baseSize, NavigableMap<Long, byte[]> sectors, long size) {
        this.base = base;
        this.baseSize = baseSize;
        this.sectors = sectors;
        this.size = size;
    }

    /// A view without any change yet.
    ///
    /// @param base must not change any more
    public OverlayImageFile(ImageFile base) {
        this(base, sizeOf(base), new TreeMap<>(), sizeOf(base));
    }

    /// The same content, to be changed apart.
    public OverlayImageFile copy() {
        return new OverlayImageFile(base, baseSize, new TreeMap<>(sectors), size);
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        if (offset >= size) {
            return 0;
        }
        int count = (int) Math.min(destination.remaining(), size - offset);
        ByteBuffer part = destination.slice(destination.position(), count);
        int fromBase = 0;
        if (offset < baseSize) {
            fromBase = base.read(offset, part.slice(0, (int) Math.min(count, baseSize - offset)));
        }
        part.put(fromBase, new byte[count - fromBase]);
        covering(offset, count)
                .forEach((index, sector) -> {
                    long start = index * SECTOR;
                    int from = (int) Math.max(0, offset - start);
                    int to = (int) Math.min(SECTOR, offset + count - start);
                    part.put((int) (start + from - offset), sector, from, to - from);
                });
        destination.position(destination.position() + count);
        return count;
    }

    @Override
    public void write(long offset, ByteBuffer source) throws IOException {
        change(offset, source);
    }

    @Override
    public void sync() {}

    @Override
    public void discard(long offset, long length) throws IOException {
        apply(new DiskEvent.Discard(offset, length));
    }

    /// Does again what was recorded.
    ///
    /// @return the indices of the sectors whose content is now another one, in order
    List<Long> apply(DiskEvent event) throws IOException {
        List<Long> changed = new ArrayList<>();
        switch (event) {
            case DiskEvent.Write(long offset, ByteBuffer bytes) ->
                    changed.addAll(change(offset, bytes));
            case DiskEvent.Discard(long offset, long length) -> {
                long end = Math.min(Math.addExact(offset, length), size);
                for (long at = offset; at < end; at += PIECE) {
                    var zeros = ByteBuffer.allocate((int) Math.min(PIECE, end - at));
                    changed.addAll(change(at, zeros));
                }
            }
            case DiskEvent.Sync() -> {}
        }
        return changed.stream().distinct().toList();
    }

    /// The sectors that differ, or did before, by their index.
    NavigableMap<Long, byte[]> sectors() {
        return sectors;
    }

    /// The content of one sector, with zeros behind the end of the file. Not to be changed.
    byte[] sector(long index) {
        byte[] sector = sectors.get(index);
        if (sector != null) {
            return sector;
        }
        try {
            var bytes = ByteBuffer.allocate(SECTOR);
            if (index * SECTOR < baseSize) {
                base.read(index * SECTOR, bytes);
            }
            return bytes.array();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// A copy with other sectors and another length, behind which nothing is left.
    ///
    /// @param changed by index; not to be changed any more
    /// @param length not below that of the base
    OverlayImageFile with(Map<Long, byte[]> changed, long length) {
        if (length < baseSize) {
            throw new IllegalArgumentException(
                    "the length must be at least %d but was %d".formatted(baseSize, length));
        }
        var all = new TreeMap<>(sectors);
        all.putAll(changed);
        all.tailMap(Math.ceilDiv(length, (long) SECTOR), true).clear();
        all.computeIfPresent(
                length / SECTOR, (index, sector) -> cut(sector, (int) (length % SECTOR)));
        return new OverlayImageFile(base, baseSize, all, length);
    }

    /// A sector whose first bytes alone are in the file: itself if the others are zero anyway.
    static byte[] cut(byte[] sector, int visible) {
        byte[] cut = Arrays.copyOf(Arrays.copyOf(sector, visible), SECTOR);
        return Arrays.equals(cut, sector) ? sector : cut;
    }

    private List<Long> change(long offset, ByteBuffer source) throws IOException {
        List<Long> changed = new ArrayList<>();
        long at = offset;
        while (source.hasRemaining()) {
            int inPiece = (int) (at % SECTOR);
            int count = Math.min(source.remaining(), PIECE - inPiece);
            long first = at / SECTOR;
            int length = Math.ceilDiv(inPiece + count, SECTOR) * SECTOR;
            var before = new byte[length];
            read(first * SECTOR, ByteBuffer.wrap(before));
            byte[] after = before.clone();
            source.get(after, inPiece, count);
            for (int i = 0; i < length; i += SECTOR) {
                if (!Arrays.equals(before, i, i + SECTOR, after, i, i + SECTOR)) {
                    long index = first + i / SECTOR;
                    sectors.put(index, Arrays.copyOfRange(after, i, i + SECTOR));
                    changed.add(index);
                }
            }
            at += count;
            size = Math.max(size, at);
        }
        return changed;
    }

    private SortedMap<Long, byte[]> covering(long offset, int count) {
        return sectors.subMap(
                offset / SECTOR, Math.ceilDiv(Math.addExact(offset, count), (long) SECTOR));
    }

    private static long sizeOf(ImageFile file) {
        try {
            return file.size();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
