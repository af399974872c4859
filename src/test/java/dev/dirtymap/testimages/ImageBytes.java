package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The bytes of an image, to be read, broken and mended at known places.
///
/// It finds these places by itself, straight from the format text and sharing nothing with our own reader, and checks
/// nothing: it must work on broken images. Numbers are big-endian. Each call opens and closes the file, so nothing is
/// held between two programs; on an image that this JVM locks with POSIX locks it would therefore drop the locks.
///
/// @param file the image
public record ImageBytes(Path file) {

    public static final long INCOMPATIBLE_FEATURES = 72;
    public static final long COMPATIBLE_FEATURES = 80;
    public static final long AUTOCLEAR_FEATURES = 88;
    public static final int BITMAPS_EXTENSION = 0x23852875;
    public static final int BACKING_FORMAT_EXTENSION = 0xe2792aca;
    public static final int FEATURE_NAMES_EXTENSION = 0x6803f857;

    private static final int DIRECTORY_ENTRY_HEADER = 24;

    /// A header extension, its data as stored and without padding, one char a byte (ISO-8859-1).
    ///
    /// @param offset of its first byte (the id) in the file; ignored when written
    public record Extension(long offset, int id, String data) {}

    /// Copies an image and gives the copy's bytes.
    public static ImageBytes copy(Path from, Path to) {
        try {
            return new ImageBytes(Files.copy(from, to));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public int u8(long offset) {
        return read(offset, 1)[0] & 0xff;
    }

    public int u16(long offset) {
        return (int) number(offset, Short.BYTES);
    }

    /// An unsigned number of 32 bits.
    public long u32(long offset) {
        return number(offset, Integer.BYTES);
    }

    /// A number of 64 bits, negative if the highest is set.
    public long u64(long offset) {
        return number(offset, Long.BYTES);
    }

    public ImageBytes u8(long offset, int value) {
        return store(offset, value, 1);
    }

    public ImageBytes u16(long offset, int value) {
        return store(offset, value, Short.BYTES);
    }

    public ImageBytes u32(long offset, long value) {
        return store(offset, value, Integer.BYTES);
    }

    public ImageBytes u64(long offset, long value) {
        return store(offset, value, Long.BYTES);
    }

    /// Reads bytes; those past the end of the file are zero, as QEMU sees them.
    public byte[] read(long offset, int length) {
        var bytes = new byte[length];
        try (var open = new RandomAccessFile(file.toFile(), "r")) {
            if (offset < open.length()) {
                open.seek(offset);
                open.readFully(bytes, 0, (int) Math.min(length, open.length() - offset));
            }
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public ImageBytes write(long offset, byte[] bytes) {
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            open.seek(offset);
            open.write(bytes);
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Cuts the file, or lengthens it with zeros.
    public ImageBytes truncate(long length) {
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(length);
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public long length() {
        return file.toFile().length();
    }

    public int clusterSize() {
        return 1 << u32(20);
    }

    /// Where the header extensions start; 72 in a version 2 image.
    public long headerLength() {
        return u32(4) == 2 ? 72 : u32(100);
    }

    /// All header extensions up to the end marker, in the order of the file.
    public List<Extension> extensions() {
        List<Extension> found = new ArrayList<>();
        long offset = headerLength();
        while (offset + 8 <= extensionsEnd() && u32(offset) != 0) {
            int length = (int) u32(offset + 4);
            found.add(
                    new Extension(
                            offset,
                            (int) u32(offset),
                            new String(read(offset + 8, length), ISO_8859_1)));
            offset += 8 + roundUp8(length);
        }
        return found;
    }

    /// Replaces all header extensions and the end marker.
    ///
    /// @throws IllegalArgumentException if they do not fit before the backing file's name or the cluster's end
    public ImageBytes extensions(List<Extension> replacements) {
        long start = headerLength();
        var area = new byte[(int) (extensionsEnd() - start)];
        int at = 0;
        for (Extension extension : replacements) {
            byte[] data = extension.data().getBytes(ISO_8859_1);
            if (at + 8 + roundUp8(data.length) > area.length) {
                throw new IllegalArgumentException(
                        "the extensions must fit into %d bytes".formatted(area.length));
            }
            put(area, at, extension.id(), Integer.BYTES);
            put(area, at + 4, data.length, Integer.BYTES);
            System.arraycopy(data, 0, area, at + 8, data.length);
            at += 8 + roundUp8(data.length);
        }
        return write(start, area);
    }

    /// Where the 24 bytes of the bitmaps extension start, after its id and length.
    ///
    /// @throws AssertionError if there is none
    public long bitmapsPayload() {
        return extensions().stream()
                .filter(extension -> extension.id() == BITMAPS_EXTENSION)
                .map(extension -> extension.offset() + 8)
                .findFirst()
                .orElseThrow(() -> new AssertionError(file + " has no bitmaps extension"));
    }

    public boolean hasBitmaps() {
        return extensions().stream().anyMatch(extension -> extension.id() == BITMAPS_EXTENSION);
    }

    public long bitmapCount() {
        return u32(bitmapsPayload());
    }

    public long directorySize() {
        return u64(bitmapsPayload() + 8);
    }

    public long directoryOffset() {
        return u64(bitmapsPayload() + 16);
    }

    /// Where the entry of the n-th bitmap starts, counted from 0 in directory order.
    public long directoryEntry(int index) {
        long offset = directoryOffset();
        for (int i = 0; i < index; i++) {
            offset += roundUp8(DIRECTORY_ENTRY_HEADER + u32(offset + 20) + u16(offset + 18));
        }
        return offset;
    }

    /// The name of the n-th bitmap.
    public byte[] bitmapName(int index) {
        long entry = directoryEntry(index);
        return read(entry + DIRECTORY_ENTRY_HEADER + u32(entry + 20), u16(entry + 18));
    }

    /// The flags of the n-th bitmap: bit 0 in use, bit 1 enabled.
    public long bitmapFlags(int index) {
        return u32(directoryEntry(index) + 12);
    }

    /// Where the table of the n-th bitmap starts.
    public long bitmapTable(int index) {
        return u64(directoryEntry(index));
    }

    /// How many entries of 8 bytes that table has.
    public long bitmapTableEntries(int index) {
        return u32(directoryEntry(index) + 8);
    }

    /// Sets bits of a number of 64 bits.
    public ImageBytes setBits64(long offset, long mask) {
        return u64(offset, u64(offset) | mask);
    }

    public ImageBytes clearBits64(long offset, long mask) {
        return u64(offset, u64(offset) & ~mask);
    }

    private long extensionsEnd() {
        long backingName = u64(8);
        return backingName != 0 ? backingName : clusterSize();
    }

    private long number(long offset, int width) {
        long value = 0;
        for (byte b : read(offset, width)) {
            value = (value << 8) | (b & 0xff);
        }
        return value;
    }

    private ImageBytes store(long offset, long value, int width) {
        var bytes = new byte[width];
        put(bytes, 0, value, width);
        return write(offset, bytes);
    }

    private static void put(byte[] bytes, int offset, long value, int width) {
        for (int i = 0; i < width; i++) {
            bytes[offset + i] = (byte) (value >>> (8 * (width - 1 - i)));
        }
    }

    private static long roundUp8(long length) {
        return (length + 7) & -8L;
    }

    private static int roundUp8(int length) {
        return (length + 7) & -8;
    }
}
