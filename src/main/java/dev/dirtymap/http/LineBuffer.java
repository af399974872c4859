package dev.dirtymap.http;

import dev.dirtymap.qcow2.Allocation;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Text on its way to a client, in pieces of 32 KiB. Numbers and constant text are written some bytes at a
/// time, without a string between: there may be millions of lines. What is written may be longer than what is
/// meant; the next write begins where that ends.
final class LineBuffer {

    private static final int SIZE = 32 << 10;

    /// Longer than any line of an extent.
    private static final int ROOM = 512;

    private static final VarHandle INTS =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONGS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /// The four digits of each number below 10,000, the first in the lowest byte.
    private static final int[] DIGITS = new int[10_000];

    static {
        for (int i = 0; i < DIGITS.length; i++) {
            DIGITS[i] =
                    0x30303030
                            | i / 1000
                            | (i / 100 % 10) << 8
                            | (i / 10 % 10) << 16
                            | (i % 10) << 24;
        }
    }

    private final OutputStream out;
    private final byte[] bytes = new byte[SIZE];
    private int length;

    LineBuffer(OutputStream out) {
        this.out = out;
    }

    /// Text of a line that is always the same.
    static final class Constant {

        private final long[] words;
        private final int length;

        private Constant(byte[] text) {
            this.length = text.length;
            this.words = new long[(length + Long.BYTES - 1) / Long.BYTES];
            byte[] padded = Arrays.copyOf(text, words.length * Long.BYTES);
            for (int i = 0; i < words.length; i++) {
                words[i] = (long) LONGS.get(padded, i * Long.BYTES);
            }
        }

        static Constant of(String text) {
            return new Constant(text.getBytes(StandardCharsets.US_ASCII));
        }
    }

    /// The rest of a line, from its length on. In long lists many extents are of one length, that of a granule.
    static final class Rest {

        private final String format;
        private long length = -1;
        private @Nullable Constant text;

        /// @param format has one `%d` for the length
        Rest(String format) {
            this.format = format;
        }

        /// The text, if the line before had the same length; else null.
        private @Nullable Constant ifAgain(long lineLength) {
            if (lineLength != length) {
                length = lineLength;
                text = null;
            } else if (text == null) {
                text = Constant.of(format.formatted(length));
            }
            return text;
        }
    }

    /// The names of allocations.
    record Allocations(Constant data, Constant zero, Constant unallocated) {

        /// @param format has one `%s` for the name
        static Allocations in(String format) {
            return new Allocations(
                    Constant.of(format.formatted(Allocation.DATA)),
                    Constant.of(format.formatted(Allocation.ZERO)),
                    Constant.of(format.formatted(Allocation.UNALLOCATED)));
        }

        Constant of(Allocation allocation) {
            return switch (allocation) {
                case DATA -> data;
                case ZERO -> zero;
                case UNALLOCATED -> unallocated;
            };
        }
    }

    /// To be called before each line of an extent.
    void makeRoom() throws IOException {
        if (length > SIZE - ROOM) {
            flush();
        }
    }

    void put(Constant text) {
        long[] words = text.words;
        for (int i = 0; i < words.length; i++) {
            LONGS.set(bytes, length + i * Long.BYTES, words[i]);
        }
        length += text.length;
    }

    /// Puts the rest of a line, if the line before had the same length.
    ///
    /// @return false if nothing was put
    boolean put(Rest rest, long lineLength) {
        Constant again = rest.ifAgain(lineLength);
        if (again != null) {
            put(again);
        }
        return again != null;
    }

    void put(char character) {
        bytes[length++] = (byte) character;
    }

    /// Appends a number that is not negative.
    void put(long number) {
        if (number < 100_000_000) {
            putSmall((int) number);
            return;
        }
        long high = number / 100_000_000;
        put(high);
        int low = (int) (number - high * 100_000_000);
        putFour(low / 10_000);
        putFour(low % 10_000);
    }

    private void putSmall(int number) {
        if (number < 10_000) {
            putFirst(number);
        } else {
            putFirst(number / 10_000);
            putFour(number % 10_000);
        }
    }

    private void putFirst(int number) {
        int digits = number < 10 ? 1 : number < 100 ? 2 : number < 1000 ? 3 : 4;
        INTS.set(bytes, length, DIGITS[number] >>> ((4 - digits) * Byte.SIZE));
        length += digits;
    }

    private void putFour(int number) {
        INTS.set(bytes, length, DIGITS[number]);
        length += 4;
    }

    /// Appends text of any length.
    void putText(String text) throws IOException {
        flush();
        out.write(text.getBytes(StandardCharsets.UTF_8));
    }

    void flush() throws IOException {
        out.write(bytes, 0, length);
        length = 0;
    }
}
