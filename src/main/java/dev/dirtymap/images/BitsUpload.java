package dev.dirtymap.images;

import dev.dirtymap.posix.NewFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.qcow2.RawBits;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/// Bits on their way from a client into a bitmap, kept in a file of our own folder that never has a name: so a
/// slow client holds no lock, the bits are never in memory as a whole, and nothing is left when this is
/// closed or the process ends.
public final class BitsUpload implements AutoCloseable {

    private static final String FOLDER = ".dirtymap/uploads";
    private static final int PIECE = 64 << 10;

    private final NewFile file;
    private long length;

    private BitsUpload(NewFile file) {
        this.file = file;
    }

    /// Receives bytes until they end, or are more than wanted.
    ///
    /// @param most how many to take; one more shows that there are too many
    static BitsUpload receive(RootFolder root, InputStream in, long most) throws IOException {
        root.createFolders(FOLDER.getBytes(StandardCharsets.UTF_8));
        BitsUpload upload =
                new BitsUpload(
                        root.createFile(
                                "%s/%s.bits"
                                        .formatted(FOLDER, UUID.randomUUID())
                                        .getBytes(StandardCharsets.UTF_8)));
        boolean complete = false;
        try {
            upload.fill(in, most);
            complete = true;
            return upload;
        } finally {
            if (!complete) {
                upload.close();
            }
        }
    }

    private void fill(InputStream in, long most) throws IOException {
        FileChannel channel = file.file().channel();
        byte[] piece = new byte[PIECE];
        while (length <= most) {
            int count = read(in, piece, (int) Math.min(PIECE, most + 1 - length));
            if (count < 0) {
                return;
            }
            ByteBuffer bytes = ByteBuffer.wrap(piece, 0, count);
            while (bytes.hasRemaining()) {
                length += channel.write(bytes, length);
            }
        }
    }

    private static int read(InputStream in, byte[] piece, int most) throws BrokenOffException {
        try {
            return in.read(piece, 0, most);
        } catch (IOException e) {
            throw new BrokenOffException(e);
        }
    }

    /// The client stopped sending before the end.
    public static final class BrokenOffException extends IOException {

        private static final long serialVersionUID = 1L;

        BrokenOffException(IOException cause) {
            super("the client stopped sending: " + cause.getMessage(), cause);
        }
    }

    /// How many bytes were received.
    public long length() {
        return length;
    }

    /// What was received as the bits of a bitmap, for as long as this is open.
    ///
    /// @param geometry one with [Geometry#bytes()] of [#length]
    public RawBits bits(Geometry geometry) throws IOException {
        return new RawBits(ImageFile.of(file.file().channel()), geometry);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
