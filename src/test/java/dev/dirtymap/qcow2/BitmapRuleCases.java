package dev.dirtymap.qcow2;

import static dev.dirtymap.qcow2.RuleCase.ofFirstBitmap;
import static dev.dirtymap.qcow2.RuleCase.remove;
import static dev.dirtymap.qcow2.RuleCase.rename;
import static dev.dirtymap.qcow2.RuleCase.replaceBitmapsPayload;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.ImageBytes;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// Images that can be read, with broken bitmaps.
final class BitmapRuleCases {

    private static final long FAR = 1L << 30;

    /// How many bitmaps fill [DirectoryIndex#TABLE_BUDGET], with tables of 1 MiB.
    static final int BUDGET = 1024;

    private BitmapRuleCases() {}

    static final List<RuleCase> STRUCTURES =
            List.of(
                    structure(
                            Rule.BITMAPS_EXTENSION_LENGTH,
                            b ->
                                    "bitmaps extension: length at file offset %d is 32; it must be 24"
                                            .formatted(
                                                    replaceBitmapsPayload(b, "\0".repeat(32)) - 4)),
                    structure(
                            Rule.BITMAPS_EXTENSION_LENGTH,
                            b ->
                                    "bitmaps extension: length at file offset %d is 0; it must be 24"
                                            .formatted(replaceBitmapsPayload(b, "") - 4)),
                    structure(
                            Rule.BITMAPS_EXTENSION_MISSING,
                            b -> {
                                remove(b, ImageBytes.BITMAPS_EXTENSION);
                                return "header: autoclear_features at file offset 88 is 0x1; it must be without bit 0 (bitmaps) when there is no bitmaps extension";
                            }),
                    structure(Rule.BITMAP_COUNT, b -> count(b, 0)),
                    structure(Rule.BITMAP_COUNT, b -> count(b, 65536)),
                    structure(Rule.BITMAP_COUNT, b -> count(b, 0xffffffffL)),
                    structure(
                            Rule.BITMAPS_RESERVED,
                            b -> {
                                long at = b.bitmapsPayload() + 4;
                                b.u32(at, 1);
                                return "bitmaps extension: reserved field at file offset %d is 0x1; it must be 0"
                                        .formatted(at);
                            }),
                    structure(Rule.DIRECTORY_SIZE, b -> directorySize(b, 0)),
                    structure(Rule.DIRECTORY_SIZE, b -> directorySize(b, 67107841)),
                    structure(Rule.DIRECTORY_SIZE, b -> directorySize(b, -1)),
                    structure(Rule.DIRECTORY_OFFSET, b -> directoryOffset(b, 0)),
                    structure(Rule.DIRECTORY_OFFSET, b -> directoryOffset(b, 512)),
                    structure(Rule.DIRECTORY_OFFSET, b -> directoryOffset(b, Long.MIN_VALUE)),
                    structure(
                            Rule.DIRECTORY_PAST_END,
                            b -> {
                                b.u64(b.bitmapsPayload() + 16, FAR);
                                return "bitmap directory: end at file offset %d is %d; it must be within the file (the file has %d bytes)"
                                        .formatted(FAR, FAR + 96, b.length());
                            }),
                    structure(
                            Rule.DIRECTORY_SUM,
                            b -> {
                                b.u64(b.bitmapsPayload() + 8, 88);
                                return "bitmap directory: sum of entry sizes at file offset %d is 96; it must be equal to bitmap_directory_size (here 88)"
                                        .formatted(b.directoryOffset());
                            }),
                    structure(
                            Rule.DIRECTORY_SUM,
                            b -> {
                                b.u64(b.bitmapsPayload() + 8, 80);
                                return "bitmap directory: sum of entry sizes at file offset %d is 88; it must be equal to bitmap_directory_size (here 80)"
                                        .formatted(b.directoryOffset());
                            }),
                    structure(
                            Rule.DIRECTORY_SUM,
                            b -> {
                                b.u64(b.bitmapsPayload() + 8, 104);
                                return "bitmap directory: sum of entry sizes at file offset %d is 120; it must be equal to bitmap_directory_size (here 104)"
                                        .formatted(b.directoryOffset());
                            }),
                    structure(Rule.DIRECTORY_ENTRIES, b -> entries(b, 1)),
                    structure(Rule.DIRECTORY_ENTRIES, b -> entries(b, 4)),
                    structure(Rule.DIRECTORY_ENTRIES, b -> entries(b, 65535)));

    static final List<RuleCase> BITMAPS =
            List.of(
                    ofFirstBitmap(Rule.TABLE_OFFSET, b -> tableOffset(b, 0)),
                    ofFirstBitmap(Rule.TABLE_OFFSET, b -> tableOffset(b, b.bitmapTable(0) + 512)),
                    ofFirstBitmap(Rule.TABLE_OFFSET_LIMIT, b -> tableOffsetLimit(b, 1L << 63)),
                    ofFirstBitmap(Rule.TABLE_OFFSET_LIMIT, b -> tableOffsetLimit(b, -65536)),
                    ofFirstBitmap(
                            Rule.TABLE_OFFSET_LIMIT,
                            b -> tableOffsetLimit(b, (1L << 63) - (1L << 30))),
                    ofFirstBitmap(Rule.TABLE_SIZE, b -> tableSize(b, 0)),
                    ofFirstBitmap(Rule.TABLE_SIZE, b -> tableSize(b, 8193)),
                    ofFirstBitmap(Rule.TABLE_SIZE, b -> tableSize(b, 0x8000001)),
                    ofFirstBitmap(Rule.TABLE_SIZE, b -> tableSize(b, 0xffffffffL)),
                    ofFirstBitmap(Rule.TABLE_SIZE_EXACT, b -> tableSizeExact(b, 2)),
                    ofFirstBitmap(Rule.TABLE_SIZE_EXACT, b -> tableSizeExact(b, 8192)),
                    ofFirstBitmap(Rule.FLAGS, b -> flags(b, 4)),
                    ofFirstBitmap(Rule.FLAGS, b -> flags(b, 0x80000002L)),
                    ofFirstBitmap(Rule.TYPE, b -> type(b, 0)),
                    ofFirstBitmap(Rule.TYPE, b -> type(b, 2)),
                    ofFirstBitmap(Rule.TYPE, b -> type(b, 255)),
                    ofFirstBitmap(Rule.GRANULARITY_BITS, b -> granularity(b, 64, "0 to 63")),
                    ofFirstBitmap(Rule.GRANULARITY_BITS, b -> granularity(b, 255, "0 to 63")),
                    ofFirstBitmap(
                            Rule.GRANULARITY_SUPPORTED,
                            b -> granularity(b, 8, "9 to 31 (512 bytes to 2 GiB)")),
                    ofFirstBitmap(
                            Rule.GRANULARITY_SUPPORTED,
                            b -> granularity(b, 32, "9 to 31 (512 bytes to 2 GiB)")),
                    ofFirstBitmap(
                            Rule.GRANULARITY_SUPPORTED,
                            b -> granularity(b, 63, "9 to 31 (512 bytes to 2 GiB)")),
                    ofFirstBitmap(
                            Rule.NAME_EMPTY,
                            b ->
                                    "bitmap directory entry: name_size at file offset %d is 0; it must be 1 to 1023"
                                            .formatted(rename(b, new byte[0]) + 18)),
                    ofFirstBitmap(
                            Rule.NAME_SIZE,
                            b ->
                                    "bitmap directory entry: name_size at file offset %d is 1024; it must be 1 to 1023"
                                            .formatted(
                                                    rename(b, "x".repeat(1024).getBytes(UTF_8))
                                                            + 18)),
                    ofFirstBitmap(
                            Rule.NAME_NUL,
                            b ->
                                    "bitmap directory entry: name at file offset %d is 'x\0y'; it must be free of NUL bytes, since QEMU loses every bitmap of the image at its next write"
                                            .formatted(rename(b, new byte[] {'x', 0, 'y'}) + 24)),
                    new RuleCase(
                            Rule.NAME_UNIQUE,
                            Base.PLAIN,
                            b ->
                                    "bitmap directory entry: name at file offset %d is 'b'; it must be different from every other name"
                                            .formatted(rename(b, new byte[] {'b'}) + 24),
                            List.of(0, 1)),
                    ofFirstBitmap(
                            Rule.EXTRA_DATA,
                            b ->
                                    "bitmap directory entry: extra_data_size at file offset %d is 5; it must be 0"
                                            .formatted(
                                                    rename(b, new byte[5], new byte[] {'a'}) + 20)),
                    ofFirstBitmap(Rule.TABLE_PAST_END, b -> tablePastEnd(b, FAR)),
                    ofFirstBitmap(
                            Rule.TABLE_PAST_END,
                            b -> tablePastEnd(b, (1L << 63) - (1L << 30) - 65536)),
                    ofFirstBitmap(Rule.TABLE_ENTRY_RESERVED, b -> reserved(b, 2)),
                    ofFirstBitmap(Rule.TABLE_ENTRY_RESERVED, b -> reserved(b, Long.MIN_VALUE)),
                    ofFirstBitmap(
                            Rule.TABLE_ENTRY_ALL_ONES,
                            b -> {
                                long at = b.bitmapTable(0);
                                b.setBits64(at, 1);
                                return "bitmap table entry: bit 0 (all ones) at file offset %d is 0x%x; it must be 0 when there is an offset"
                                        .formatted(at, b.u64(at));
                            }),
                    ofFirstBitmap(
                            Rule.TABLE_ENTRY_OFFSET,
                            b -> {
                                long at = b.bitmapTable(0);
                                b.setBits64(at, 512);
                                return "bitmap table entry: offset at file offset %d is 0x%x; it must be a multiple of the cluster size"
                                        .formatted(at, b.u64(at));
                            }),
                    ofFirstBitmap(
                            Rule.DATA_PAST_END,
                            b -> {
                                b.u64(b.bitmapTable(0), FAR);
                                return "bitmap data: end at file offset %d is %d; it must be within the file (the file has %d bytes)"
                                        .formatted(b.bitmapTable(0), FAR + 2, b.length());
                            }));

    /// One bitmap more than may have their tables checked; all share one table of zeros.
    static final RuleCase TABLES_TOTAL =
            new RuleCase(
                    Rule.TABLES_TOTAL,
                    Base.LARGE,
                    b ->
                            "bitmap directory: bytes of bitmap tables up to this entry at file offset %d is 1073741824; it must be at most 1 GiB, which is what Dirtymap checks of one image (more than that here)"
                                    .formatted(addBitmaps(b, BUDGET + 1) + BUDGET * 32L),
                    List.of(BUDGET));

    static List<RuleCase> all() {
        List<RuleCase> all = new ArrayList<>(STRUCTURES);
        all.addAll(BITMAPS);
        all.add(TABLES_TOTAL);
        return List.copyOf(all);
    }

    /// Adds bitmaps to [Base#LARGE], which has none.
    ///
    /// @return where the directory starts
    static long addBitmaps(ImageBytes bytes, int count) {
        int tableEntries = 131072;
        long table = (bytes.length() + 4095) & -4096L;
        long directory = table + tableEntries * 8L;
        ByteBuffer entries = ByteBuffer.allocate(count * 32);
        for (int i = 0; i < count; i++) {
            entries.putLong(table).putInt(tableEntries).putInt(0).put((byte) 1).put((byte) 9);
            entries.putShort((short) 8).putInt(0).put("%08d".formatted(i).getBytes(UTF_8));
        }
        bytes.write(directory, entries.array()).setBits64(88, 1);
        RuleCase.prepend(bytes, ImageBytes.BITMAPS_EXTENSION, "\0".repeat(24));
        long payload = bytes.bitmapsPayload();
        bytes.u32(payload, count).u64(payload + 8, entries.capacity()).u64(payload + 16, directory);
        return directory;
    }

    private static RuleCase structure(Rule rule, RuleCase.Damage damage) {
        return RuleCase.of(rule, Base.PLAIN, damage);
    }

    private static String count(ImageBytes b, long count) {
        long at = b.bitmapsPayload();
        b.u32(at, count);
        return "bitmaps extension: nb_bitmaps at file offset %d is %d; it must be 1 to 65535"
                .formatted(at, count);
    }

    private static String directorySize(ImageBytes b, long size) {
        long at = b.bitmapsPayload() + 8;
        b.u64(at, size);
        return "bitmaps extension: bitmap_directory_size at file offset %d is %s; it must be 1 to 67107840 bytes"
                .formatted(at, Long.toUnsignedString(size));
    }

    private static String directoryOffset(ImageBytes b, long offset) {
        long at = b.bitmapsPayload() + 16;
        b.u64(at, offset);
        return "bitmaps extension: bitmap_directory_offset at file offset %d is %s; it must be a multiple of the cluster size, not 0 and less than 2^63"
                .formatted(at, Long.toUnsignedString(offset));
    }

    private static String entries(ImageBytes b, int count) {
        b.u32(b.bitmapsPayload(), count);
        return "bitmap directory: number of entries at file offset %d is 3; it must be equal to nb_bitmaps (here %d)"
                .formatted(b.directoryOffset(), count);
    }

    private static String tableOffset(ImageBytes b, long offset) {
        long entry = b.directoryEntry(0);
        b.u64(entry, offset);
        return "bitmap directory entry: bitmap_table_offset at file offset %d is %d; it must be a multiple of the cluster size and not 0"
                .formatted(entry, offset);
    }

    private static String tableOffsetLimit(ImageBytes b, long offset) {
        long entry = b.directoryEntry(0);
        b.u64(entry, offset);
        return "bitmap directory entry: bitmap_table_offset at file offset %d is %s; it must be less than 2^63 - 2^30"
                .formatted(entry, Long.toUnsignedString(offset));
    }

    private static String tableSize(ImageBytes b, long size) {
        long at = b.directoryEntry(0) + 8;
        b.u32(at, size);
        return "bitmap directory entry: bitmap_table_size at file offset %d is %d; it must be 1 or more, with at most 512 MiB of bitmap data"
                .formatted(at, size);
    }

    private static String tableSizeExact(ImageBytes b, long size) {
        long at = b.directoryEntry(0) + 8;
        b.u32(at, size);
        return "bitmap directory entry: bitmap_table_size at file offset %d is %d; it must be exactly what the virtual size and the granularity need (here 1)"
                .formatted(at, size);
    }

    private static String flags(ImageBytes b, long flags) {
        long at = b.directoryEntry(0) + 12;
        b.u32(at, flags);
        return "bitmap directory entry: flags at file offset %d is 0x%x; it must be a set of bit 0 (in_use) and bit 1 (auto)"
                .formatted(at, flags);
    }

    private static String type(ImageBytes b, int type) {
        long at = b.directoryEntry(0) + 16;
        b.u8(at, type);
        return "bitmap directory entry: type at file offset %d is %d; it must be 1 (dirty tracking)"
                .formatted(at, type);
    }

    private static String granularity(ImageBytes b, int bits, String mustBe) {
        long at = b.directoryEntry(0) + 17;
        b.u8(at, bits);
        return "bitmap directory entry: granularity_bits at file offset %d is %d; it must be %s"
                .formatted(at, bits, mustBe);
    }

    private static String tablePastEnd(ImageBytes b, long offset) {
        long entry = b.directoryEntry(0);
        b.u64(entry, offset);
        return "bitmap table: end at file offset %d is %d; it must be within the file (the file has %d bytes)"
                .formatted(entry, offset + 8, b.length());
    }

    private static String reserved(ImageBytes b, long bit) {
        long at = b.bitmapTable(0);
        b.setBits64(at, bit);
        return "bitmap table entry: reserved bits (1 to 8, 56 to 63) at file offset %d is 0x%x; it must be 0"
                .formatted(at, b.u64(at));
    }
}
