package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Writes directory entries one after the other.
final class DirectoryOutput {

    private static final int PIECE = 64 << 10;

    private final ImageFile file;
    private final ByteBuffer piece = ByteBuffer.allocate(PIECE);
    private long at;

    DirectoryOutput(ImageFile file, long at) {
        this.file = file;
        this.at = at;
    }

    void put(byte[] entry) throws IOException {
        for (int from = 0; from < entry.length; ) {
            if (!piece.hasRemaining()) {
                flush();
            }
            int count = Math.min(piece.remaining(), entry.length - from);
            piece.put(entry, from, count);
            from += count;
        }
    }

    /// Ends with zeros, whatever was in the cluster.
    void fill(long end) throws IOException {
        while (at + piece.position() < end) {
            if (!piece.hasRemaining()) {
                flush();
            }
            piece.put((byte) 0);
        }
        flush();
    }

    private void flush() throws IOException {
        piece.flip();
        int length = piece.remaining();
        file.write(at, piece);
        at += length;
        piece.clear();
    }
}
