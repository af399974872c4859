package dev.dirtymap.qcow2;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/// A run of consecutive bits of a bitmap: all 0, all 1, or mixed and then held as bytes. Reused from run
/// to run, so that reading a bitmap allocates nothing.
public final class BitRun {

    /// What the bits of a run are.
    public enum Kind {
        ZEROS,
        ONES,
        MIXED
    }

    private static final VarHandle WORDS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final byte[] ZEROS = new byte[8192];
    private static final byte[] ONES = new byte[8192];

    static {
        Arrays.fill(ONES, (byte) 0xff);
    }

    final byte[] bytes;
    private Kind kind = Kind.ZEROS;
    private long start;
    private long end;

    /// @param capacity bytes of mixed bits to hold at most: a multiple of 8
    public BitRun(int capacity) {
        this.bytes = new byte[capacity];
    }

    public Kind kind() {
        return kind;
    }

    /// The first bit.
    public long start() {
        return start;
    }

    /// The bit after the last.
    public long end() {
        return end;
    }

    /// 64 bits of a mixed run, the lowest bit first; bits past the end of the bitmap are 0.
    ///
    /// @param bit any of them
    long word(long bit) {
        return (long) WORDS.get(bytes, (int) ((bit - start) >>> 6) << 3);
    }

    /// The first bit of a mixed run at or after one of its bits that is set (or clear).
    ///
    /// @return the end of the run or beyond if there is none
    long next(long from, boolean set) {
        long word = (set ? word(from) : ~word(from)) & -1L << (from & 63);
        long base = from & -64L;
        if (word == 0 && (base += 64) < end) {
            word = set ? word(base) : ~word(base);
        }
        if (word == 0 && (base += 64) < end) {
            // Whoever finds nothing twice is likely to find nothing for long.
            base = start + ((long) mismatch((int) ((base - start) >>> 3), set ? ZEROS : ONES) << 3);
            base &= -64L;
            word = base >= end ? 0 : set ? word(base) : ~word(base);
        }
        return word == 0 ? end : base + Long.numberOfTrailingZeros(word);
    }

    /// The first byte from one on that differs from those of a constant; the last of the run or beyond if none does.
    private int mismatch(int from, byte[] constant) {
        int limit = (int) ((end - start + 63) >>> 6) << 3;
        for (int at = from; at < limit; at += constant.length) {
            int length = Math.min(constant.length, limit - at);
            int found = Arrays.mismatch(bytes, at, at + length, constant, 0, length);
            if (found >= 0) {
                return at + found;
            }
        }
        return limit;
    }

    /// Puts 64 bits into the bytes, to make a mixed run of them.
    ///
    /// @param index which word, counted from the first bit of the run to be
    void put(int index, long word) {
        WORDS.set(bytes, index << 3, word);
    }

    /// 64 bits that were [#put].
    long get(int index) {
        return (long) WORDS.get(bytes, index << 3);
    }

    /// One bit of a run of any kind.
    boolean isSet(long bit) {
        return switch (kind) {
            case ZEROS -> false;
            case ONES -> true;
            case MIXED -> (word(bit) >>> (bit & 63) & 1) != 0;
        };
    }

    /// Writes whole bytes of the bitmap that this run holds, least significant bit first.
    ///
    /// @param fromByte the first byte, counted from the start of the bitmap
    /// @param toByte the byte after the last; at the end of the bitmap its last byte may be partial
    public void writeTo(OutputStream out, long fromByte, long toByte) throws IOException {
        if (kind == Kind.MIXED) {
            out.write(bytes, (int) (fromByte - (start >>> 3)), (int) (toByte - fromByte));
            return;
        }
        byte[] fill = kind == Kind.ONES ? ONES : ZEROS;
        // The last byte of ones may reach past the end of the bitmap, where bits are 0.
        boolean partial = kind == Kind.ONES && toByte << 3 > end;
        long whole = partial ? toByte - 1 : toByte;
        for (long at = fromByte; at < whole; at += fill.length) {
            out.write(fill, 0, (int) Math.min(fill.length, whole - at));
        }
        if (partial) {
            out.write((1 << (end & 7)) - 1);
        }
    }

    void start(long bit) {
        start = bit;
        end = bit;
    }

    /// Adds bits of one kind, unless the run is of another kind already.
    boolean extend(Kind added, long newEnd) {
        if (start != end && kind != added) {
            return false;
        }
        kind = added;
        end = newEnd;
        return true;
    }

    /// Makes this a mixed run, unless it is a run of another kind already.
    void mixed(long bit, long newEnd) {
        if (start == end) {
            kind = Kind.MIXED;
            start = bit;
            end = newEnd;
        }
    }
}
