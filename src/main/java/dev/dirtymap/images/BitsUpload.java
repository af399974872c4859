package dev.dirtymap.images;

import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.qcow2.RawBits;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Bits on their way from a client into a bitmap, kept in a temporary file: so a slow client holds no lock,
/// and the bits are never in memory as a whole. The file has no name once it is open, so that it is gone
/// with this, or with the process.
public final class BitsUpload implements AutoCloseable {

    private static final int PIECE = 64 << 10;

    private final FileChannel file;
    private final long length;

    private BitsUpload(FileChannel file, long length) {
        this.file = file;
        this.length = length;
    }

    /// Receives bytes until they end, or are more than wanted.
    ///
    /// @param most how many to take; one more shows that there are too many
    public static BitsUpload receive(InputStream in, long most) throws IOException {
        Path path = Files.createTempFile("dirtymap", ".bits");
        FileChannel file =
                FileChannel.open(
                        path,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.DELETE_ON_CLOSE);
        boolean complete = false;
        try {
            byte[] piece = new byte[PIECE];
            long length = 0;
            while (length <= most) {
                int count = in.read(piece, 0, (int) Math.min(PIECE, most + 1 - length));
                if (count < 0) {
                    break;
                }
                ByteBuffer bytes = ByteBuffer.wrap(piece, 0, count);
                while (bytes.hasRemaining()) {
                    length += file.write(bytes, length);
                }
            }
            complete = true;
            return new BitsUpload(file, length);
        } finally {
            if (!complete) {
                file.close();
            }
        }
    }

    /// How many bytes were received.
    public long length() {
        return length;
    }

    /// What was received as the bits of a bitmap, for as long as this is open.
    ///
    /// @param geometry one with [Geometry#bytes()] of [#length]
    public RawBits bits(Geometry geometry) {
        return new RawBits(ImageFile.of(file), geometry);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
