package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.Taker;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Reads the bits of one bitmap straight from the file's clusters, in runs. The table is read in windows
/// and bits in pieces, so that neither is ever held whole (512 MiB of bits is legal).
///
/// Not safe for use by several threads at once.
public final class BitmapReader {

    /// The largest piece of bits that one call hands over, in bytes.
    public static final int MAX_PIECE = 256 << 10;

    private static final byte[] ZEROS = new byte[MAX_PIECE];
    private static final int TABLE_WINDOW = 4096;

    private final ImageFile file;
    private final long tableOffset;
    private final Geometry geometry;
    private final Window table;

    BitmapReader(ImageFile file, long tableOffset, Geometry geometry) {
        this.file = file;
        this.tableOffset = tableOffset;
        this.geometry = geometry;
        this.table = new Window(file, TABLE_WINDOW, Long.MAX_VALUE);
    }

    /// Reads on from one bit for as long as the bits are all 0 or all 1, or else one piece of mixed bits.
    ///
    /// Table entries that say all zeros or all ones cost nothing but themselves. Bits past the end of the
    /// bitmap come out as 0 whatever the file holds: QEMU itself writes ones there.
    ///
    /// @param bit the first bit wanted: a multiple of 64, less than the number of bits
    /// @param bits receives mixed bits; its array is 1 to [#MAX_PIECE] bytes, a multiple of 8
    /// @param deadlineNanos the `System.nanoTime` at which to stop looking further, with what is known
    /// @throws IOException if the file ends before a data cluster does, or cannot be read. Then `bits` is empty, or has
    ///     what comes before that place
    public void read(long bit, BitRun bits, long deadlineNanos) throws IOException {
        bits.start(bit);
        long end = geometry.bits();
        while (bit < end) {
            switch (entry(bit)) {
                case TableEntry.Zeros _ -> {
                    if (!bits.extend(BitRun.Kind.ZEROS, clusterEnd(bit))) {
                        return;
                    }
                }
                case TableEntry.Ones _ -> {
                    if (!bits.extend(BitRun.Kind.ONES, clusterEnd(bit))) {
                        return;
                    }
                }
                case TableEntry.Data data -> {
                    int length = readData(bit, data, bits);
                    long pieceEnd = Math.min(end, bit + length * 8L);
                    if (!isZero(bits.bytes, length)) {
                        bits.mixed(bit, pieceEnd);
                        return;
                    }
                    if (!bits.extend(BitRun.Kind.ZEROS, pieceEnd)) {
                        return;
                    }
                }
            }
            bit = bits.end();
            if (System.nanoTime() - deadlineNanos >= 0) {
                return;
            }
        }
    }

    /// Reads run after run until the taker has enough or the time is up; the first one in any case.
    ///
    /// What cannot be read after the first run is no failure: perhaps nobody wants it, and whoever does begins with
    /// it and meets it then.
    ///
    /// @throws IOException as [#read(long, BitRun, long)] for the first run
    public void read(long bit, BitRun bits, Taker taker, long deadlineNanos) throws IOException {
        read(bit, bits, deadlineNanos);
        @Nullable BitRun taken = bits;
        @Nullable BitRun next = taker.take(bits);
        while (next != null && System.nanoTime() - deadlineNanos < 0) {
            try {
                read(taken.end(), next, deadlineNanos);
            } catch (IOException e) {
                return;
            }
            taken = next;
            next = taker.take(taken);
        }
    }

    /// Fills the piece from one data cluster and from those after it that lie next to it in the file.
    ///
    /// @return how many bytes were read, a multiple of 8
    private int readData(long bit, TableEntry.Data data, BitRun bits) throws IOException {
        long wanted = Math.min(bits.bytes.length, (geometry.bits() - bit + 7) >>> 3);
        long inCluster = (bit & (geometry.bitsPerCluster() - 1)) >>> 3;
        long hostOffset = data.hostOffset() + inCluster;
        long length = (1L << geometry.clusterBits()) - inCluster;
        long next = clusterEnd(bit);
        while (length < wanted
                && entry(next) instanceof TableEntry.Data(long following)
                && following == hostOffset + length) {
            length += 1L << geometry.clusterBits();
            next = clusterEnd(next);
        }
        int count = (int) Math.min(length, wanted);
        if (file.read(hostOffset, ByteBuffer.wrap(bits.bytes, 0, count)) < count) {
            throw Violation.of(
                            Rule.DATA_PAST_END,
                            tableOffset + (bit >>> 3 >>> geometry.clusterBits()) * Long.BYTES,
                            hostOffset + count)
                    .asException();
        }
        return maskTail(bit, bits.bytes, count);
    }

    /// Clears bits past the end of the bitmap and rounds the piece up to whole words.
    private int maskTail(long bit, byte[] bytes, int count) {
        long left = geometry.bits() - bit;
        if (left < count * 8L) {
            bytes[count - 1] &= (byte) ((1 << (left & 7)) - 1);
        }
        int whole = (count + 7) & -8;
        Arrays.fill(bytes, count, whole, (byte) 0);
        return whole;
    }

    private TableEntry entry(long bit) throws IOException {
        long offset = tableOffset + (bit >>> 3 >>> geometry.clusterBits()) * Long.BYTES;
        return TableEntry.parse(
                table.view(offset, Long.BYTES).getLong(), geometry.clusterBits(), offset);
    }

    private long clusterEnd(long bit) {
        long perCluster = geometry.bitsPerCluster();
        return Math.min(geometry.bits(), (bit & -perCluster) + perCluster);
    }

    private static boolean isZero(byte[] bytes, int length) {
        return Arrays.mismatch(bytes, 0, length, ZEROS, 0, length) < 0;
    }
}
