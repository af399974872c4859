package dev.dirtymap.qcow2;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

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

    /// One bit of a run of any kind.
    boolean isSet(long bit) {
        return switch (kind) {
            case ZEROS -> false;
            case ONES -> true;
            case MIXED -> (word(bit) >>> (bit & 63) & 1) != 0;
        };
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
