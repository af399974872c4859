package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SortedMap;
import java.util.TreeMap;

/// A real file that shows one state after the other to another program, and of which only the differences are written.
public final class PatchedFile implements AutoCloseable {

    private static final int PIECE = 1 << 16;

    private final RandomAccessFile file;
    private final OverlayImageFile untouched;
    private SortedMap<Long, byte[]> shown = new TreeMap<>();

    /// Creates the file with the content of the base, with holes where that is zero.
    public PatchedFile(Path path, ImageFile base) {
        untouched = new OverlayImageFile(base);
        try {
            file = new RandomAccessFile(path.toFile(), "rw");
            file.setLength(0);
            file.setLength(untouched.size());
            var piece = ByteBuffer.allocate(PIECE);
            var zeros = ByteBuffer.allocate(PIECE);
            for (long at = 0; at < untouched.size(); at += PIECE) {
                untouched.read(at, piece.clear());
                piece.flip();
                if (!piece.equals(zeros.clear().limit(piece.limit()))) {
                    file.seek(at);
                    file.write(piece.array(), 0, piece.limit());
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Changes the file into this content.
    ///
    /// @param content an overlay of the same base
    public void show(OverlayImageFile content) {
        try {
            if (file.length() != content.size()) {
                file.setLength(content.size());
            }
            for (long index : shown.keySet()) {
                if (!content.sectors().containsKey(index)) {
                    write(index, untouched.sector(index), content.size());
                }
            }
            for (var sector : content.sectors().entrySet()) {
                if (!Arrays.equals(shown.get(sector.getKey()), sector.getValue())) {
                    write(sector.getKey(), sector.getValue(), content.size());
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        shown = new TreeMap<>(content.sectors());
    }

    private void write(long index, byte[] sector, long length) throws IOException {
        long offset = index * OverlayImageFile.SECTOR;
        if (offset < length) {
            file.seek(offset);
            file.write(sector, 0, (int) Math.min(sector.length, length - offset));
        }
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
