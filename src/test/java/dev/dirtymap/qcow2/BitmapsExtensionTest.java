package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.MemoryImageFile;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BitmapsExtensionTest {

    @Test
    void readsEveryFieldAndWritesItBack() {
        byte[] data =
                MemoryImageFile.ofHex("0000 fffe 0000 0000 0000 0000 03fe fc00 00ab cdef 0123 0000")
                        .bytes();
        var extension = new HeaderExtension.Bitmaps(512, data);

        assertThat(BitmapsExtension.check(extension, 65536)).isNull();
        assertThat(BitmapsExtension.parse(extension))
                .isEqualTo(new BitmapsExtension(65534, 67042304, 0x00abcdef01230000L));
        assertThat(BitmapsExtension.parse(extension).toBytes()).isEqualTo(data);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "00000001 00000000 0000000000000001 0000000000010000 | ",
                "0000ffff 00000000 0000000003fffc00 7fffffffffff0000 | ",
                "00000000 00000000 0000000000000020 0000000000010000 | BITMAP_COUNT",
                "00010000 00000000 0000000000000020 0000000000010000 | BITMAP_COUNT",
                "ffffffff 00000000 0000000000000020 0000000000010000 | BITMAP_COUNT",
                "00000001 00000001 0000000000000020 0000000000010000 | BITMAPS_RESERVED",
                "00000001 80000000 0000000000000020 0000000000010000 | BITMAPS_RESERVED",
                "00000001 00000000 0000000000000000 0000000000010000 | DIRECTORY_SIZE",
                "00000001 00000000 0000000003fffc01 0000000000010000 | DIRECTORY_SIZE",
                "00000001 00000000 ffffffffffffffff 0000000000010000 | DIRECTORY_SIZE",
                "00000001 00000000 8000000000000020 0000000000010000 | DIRECTORY_SIZE",
                "00000001 00000000 0000000000000020 0000000000000000 | DIRECTORY_OFFSET",
                "00000001 00000000 0000000000000020 0000000000008000 | DIRECTORY_OFFSET",
                "00000001 00000000 0000000000000020 0000000000010001 | DIRECTORY_OFFSET",
                "00000001 00000000 0000000000000020 8000000000000000 | DIRECTORY_OFFSET",
                "00000001 00000000 0000000000000020 ffffffffffff0000 | DIRECTORY_OFFSET",
                "00000001 00000000 0000000000000020 00000000000100   | BITMAPS_EXTENSION_LENGTH",
                "00000001 00000000 0000000000000020 000000000001000000| BITMAPS_EXTENSION_LENGTH",
                "''                                                  | BITMAPS_EXTENSION_LENGTH",
            })
    void judgesTheFields(String hex, Rule broken) {
        var extension = new HeaderExtension.Bitmaps(512, MemoryImageFile.ofHex(hex).bytes());

        Violation violation = BitmapsExtension.check(extension, 65536);

        assertThat(violation == null ? null : violation.rule()).isEqualTo(broken);
    }

    @Test
    void readsADirectoryEntryAndWritesItBack() {
        byte[] data =
                MemoryImageFile.ofHex("fedcba9876543200 89abcdef 80000007 fe ff fffd fffffffc")
                        .bytes();
        var bytes = ByteBuffer.wrap(data);

        DirectoryEntry entry = DirectoryEntry.parse(4096, bytes);

        assertThat(entry)
                .isEqualTo(
                        new DirectoryEntry(
                                4096,
                                0xfedcba9876543200L,
                                0x89abcdefL,
                                0x80000007,
                                0xfe,
                                0xff,
                                0xfffd,
                                0xfffffffcL));
        assertThat(entry.inUse()).isTrue();
        assertThat(entry.enabled()).isTrue();
        assertThat(entry.nameOffset()).isEqualTo(4096 + 24 + 0xfffffffcL);
        assertThat(entry.length()).isEqualTo(0x100010018L);
        var written = ByteBuffer.allocate(DirectoryEntry.SIZE);
        entry.write(written);
        assertThat(written.array()).isEqualTo(data);
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 24", "0, 1, 32", "0, 8, 32", "0, 9, 40", "3, 5, 32", "3, 6, 40"})
    void anEntryIsPaddedTo8Bytes(long extraDataSize, int nameSize, long length) {
        assertThat(new DirectoryEntry(0, 512, 1, 0, 1, 16, nameSize, extraDataSize).length())
                .isEqualTo(length);
    }
}
