package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// The bits of one bitmap as they go over the wire: byte after byte, least significant bit first, nothing
/// else ([BitRun#writeTo]).
///
/// Not safe for use by several threads at once.
public final class RawBits implements BitSource {

    private final ImageFile file;
    private final Geometry geometry;

    /// @param file exactly [Geometry#bytes()] bytes
    public RawBits(ImageFile file, Geometry geometry) {
        this.file = file;
        this.geometry = geometry;
    }

    /// Whether a bit is set that stands for nothing on the disk: those behind the last in the last byte.
    public boolean reachesBeyondTheEnd() throws IOException {
        int used = (int) (geometry.bits() & 7);
        if (used == 0) {
            return false;
        }
        ByteBuffer last = ByteBuffer.allocate(1);
        return file.read(geometry.bytes() - 1, last) == 1
                && Byte.toUnsignedInt(last.get(0)) >>> used != 0;
    }

    @Override
    public void read(long bit, BitRun run) throws IOException {
        run.start(bit);
        long at = bit;
        while (at < geometry.bits()) {
            int count = (int) Math.min(run.bytes.length, geometry.bytes() - (at >>> 3));
            if (file.read(at >>> 3, ByteBuffer.wrap(run.bytes, 0, count)) < count) {
                throw new IOException("the bits end before byte " + ((at >>> 3) + count));
            }
            int whole = count + 7 & -8;
            Arrays.fill(run.bytes, count, whole, (byte) 0);
            long end = Math.min(geometry.bits(), at + count * 8L);
            if (!isZero(run.bytes, whole)) {
                run.mixed(at, end);
                return;
            }
            run.extend(BitRun.Kind.ZEROS, end);
            at = end;
        }
    }

    private static boolean isZero(byte[] bytes, int length) {
        for (int i = 0; i < length; i++) {
            if (bytes[i] != 0) {
                return false;
            }
        }
        return true;
    }
}
