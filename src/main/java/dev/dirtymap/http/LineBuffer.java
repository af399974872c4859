package dev.dirtymap.http;

import dev.dirtymap.qcow2.Allocation;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// Text on its way to a client, in pieces of 64 KiB. Numbers are written digit by digit, without a string
/// between: there may be millions.
final class LineBuffer {

    private static final int SIZE = 64 << 10;

    /// Longer than any line of an extent.
    private static final int ROOM = 512;

    private static final byte[] DATA = "DATA".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] ZERO = "ZERO".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] UNALLOCATED = "UNALLOCATED".getBytes(StandardCharsets.US_ASCII);

    private final OutputStream out;
    private final byte[] bytes = new byte[SIZE];
    private int length;

    LineBuffer(OutputStream out) {
        this.out = out;
    }

    /// The name of an allocation, made once.
    static byte[] name(@Nullable Allocation allocation) {
        return switch (allocation) {
            case DATA -> DATA;
            case ZERO -> ZERO;
            case UNALLOCATED -> UNALLOCATED;
            case null -> throw new IllegalArgumentException("there is no allocation");
        };
    }

    /// To be called before each line of an extent.
    void makeRoom() throws IOException {
        if (length > SIZE - ROOM) {
            flush();
        }
    }

    /// Appends constant text of a line.
    void put(byte[] text) {
        System.arraycopy(text, 0, bytes, length, text.length);
        length += text.length;
    }

    void put(char character) {
        bytes[length++] = (byte) character;
    }

    /// Appends a number that is not negative.
    void put(long number) {
        int end = length + digits(number);
        length = end;
        long rest = number;
        do {
            long quotient = rest / 10;
            bytes[--end] = (byte) ('0' + (rest - quotient * 10));
            rest = quotient;
        } while (rest > 0);
    }

    private static int digits(long number) {
        int digits = 1;
        for (long limit = 10; number >= limit; limit *= 10) {
            digits++;
            if (digits == 19) {
                break;
            }
        }
        return digits;
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
