package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import java.util.Arrays;

/// The bits of 1 TiB in memory, every second one set: what the loops have to do, without a file.
final class HalfDirty {

    static final Geometry GEOMETRY = new Geometry(1L << 40, 16, 16);

    private HalfDirty() {}

    /// Bits in pieces as large as the reader of a file makes them.
    static BitSource bits() {
        byte[] pattern = new byte[BitmapReader.MAX_PIECE];
        Arrays.fill(pattern, (byte) 0x55);
        return (bit, run) -> {
            int length = (int) Math.min(run.bytes.length, (GEOMETRY.bits() - bit + 7) / 8);
            System.arraycopy(pattern, 0, run.bytes, 0, length);
            run.start(bit);
            run.mixed(bit, Math.min(GEOMETRY.bits(), bit + 8L * length));
        };
    }
}
