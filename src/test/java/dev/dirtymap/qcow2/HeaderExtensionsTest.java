package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.HeaderExtension.BackingFormat;
import dev.dirtymap.qcow2.HeaderExtension.Bitmaps;
import dev.dirtymap.qcow2.HeaderExtension.DataFileName;
import dev.dirtymap.qcow2.HeaderExtension.FeatureName;
import dev.dirtymap.qcow2.HeaderExtension.FeatureNames;
import dev.dirtymap.qcow2.HeaderExtension.LuksHeader;
import dev.dirtymap.qcow2.HeaderExtension.Unknown;
import dev.dirtymap.testimages.MemoryImageFile;
import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HeaderExtensionsTest {

    private static final int CLUSTER_SIZE = 512;

    /// Where the extensions start: behind a header of 104 bytes.
    private static final int START = 104;

    @Test
    void readsEveryKnownExtension() throws IOException {
        HeaderExtensions extensions =
                read(
                        """
                        e2 79 2a ca  00 00 00 05  71 63 6f 77 32 ee ee ee
                        44 41 54 41  00 00 00 08  64 69 73 6b 2e 72 61 77
                        68 03 f8 57  00 00 00 60
                        00 00 64 69 72 74 79 20 62 69 74 00 ff 00 00 00
                        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
                        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
                        02 3f 30 31 32 33 34 35 36 37 38 39 30 31 32 33
                        34 35 36 37 38 39 30 31 32 33 34 35 36 37 38 39
                        30 31 32 33 34 35 36 37 38 39 30 31 32 33 34 35
                        23 85 28 75  00 00 00 18
                        00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 20
                        00 00 00 00 00 00 0a 00
                        ab cd ef 01  00 00 00 00
                        00 00 00 00  00 00 00 00
                        """);

        assertThat(extensions.all()).hasSize(5);
        assertThat(extensions.all().get(0)).isEqualTo(new BackingFormat(112, "qcow2"));
        assertThat(extensions.all().get(1)).isEqualTo(new DataFileName(128, "disk.raw"));
        assertThat(extensions.last(FeatureNames.class).orElseThrow().names())
                .containsExactly(
                        new FeatureName(0, 0, "dirty bit"),
                        new FeatureName(2, 63, "0123456789012345678901234567890123456789012345"));
        Bitmaps bitmaps = extensions.last(Bitmaps.class).orElseThrow();
        assertThat(bitmaps.fileOffset()).isEqualTo(248);
        assertThat(BitmapsExtension.check(bitmaps, CLUSTER_SIZE)).isNull();
        assertThat(BitmapsExtension.parse(bitmaps)).isEqualTo(new BitmapsExtension(1, 32, 0xa00));
        Unknown unknown = extensions.last(Unknown.class).orElseThrow();
        assertThat(unknown.id()).isEqualTo(0xabcdef01);
        assertThat(unknown.fileOffset()).isEqualTo(280);
        assertThat(unknown.data()).isEmpty();
    }

    @Test
    void readsThePointerToALuksHeader() throws IOException {
        HeaderExtensions extensions =
                read(header(2, 0), "05 37 be 77 00 00 00 10 0000000000000400 0000000000001234");

        assertThat(extensions.all()).containsExactly(new LuksHeader(112, 0x400, 0x1234));
    }

    @Test
    void stopsAtTheEndMarkerWhateverFollows() throws IOException {
        assertThat(read("00 00 00 00 00 00 00 00  23 85 28 75 00 00 00 18").all()).isEmpty();
    }

    @Test
    void needsNoEndMarkerWhereTheClusterEnds() throws IOException {
        // 104 + 8 + 400 = 512
        assertThat(read("11 22 33 44 00 00 01 90" + "00".repeat(400)).all()).hasSize(1);
    }

    @Test
    void stopsAtTheNameOfTheBackingFile() throws IOException {
        Header header = header(0, START + 16);
        String two = "11 22 33 44 00 00 00 08 00 00 00 00 00 00 00 00".repeat(2);

        assertThat(read(header, two).all()).hasSize(1);
    }

    @Test
    void aBackingFileNameInsideTheHeaderLeavesNoRoomForExtensions() throws IOException {
        assertThat(read(header(0, 80), "11 22 33 44 00 00 00 08 00 00 00 00 00 00 00 00").all())
                .isEmpty();
    }

    @Test
    void theLastOfTwoCounts() throws IOException {
        HeaderExtensions extensions =
                read(
                        """
                        e2 79 2a ca  00 00 00 03  72 61 77 00 00 00 00 00
                        e2 79 2a ca  00 00 00 05  71 63 6f 77 32 00 00 00
                        """);

        assertThat(extensions.all()).hasSize(2);
        assertThat(extensions.last(BackingFormat.class)).contains(new BackingFormat(128, "qcow2"));
    }

    @ParameterizedTest
    @CsvSource({
        // length, where the extensions end, how much room there is
        "401, 512, 400",
        "4294967295, 512, 400",
        "2147483648, 512, 400",
        "17, 128, 16",
        "1, 112, 0",
        "0, 111, 0",
    })
    void refusesALengthThatDoesNotFit(long length, long end, long left) {
        String bytes = "11 22 33 44 %08x".formatted(length);

        assertThatThrownBy(() -> read(header(0, end == 512 ? 0 : end), bytes))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "header extension: length at file offset 108 is %d; it must be small enough to end before"
                                + " the backing file name or the end of the first cluster (here at most %d bytes"
                                + " are left)",
                        length, left);
    }

    @Test
    void theEndMarkerMustFitToo() {
        assertThatThrownBy(() -> read("00 00 00 00 00 00 01 91"))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("header extension: length at file offset 108 is 401;");
    }

    @ParameterizedTest
    @ValueSource(ints = {105, 108, 111, 112, 119})
    void aFileMayNotEndBeforeItsExtensions(int length) {
        byte[] bytes = file("23 85 28 75 00 00 00 08 00 00 00 00 00 00 00 00").bytes();
        var cut = new MemoryImageFile(Arrays.copyOf(bytes, length));

        assertThatThrownBy(() -> HeaderExtensions.read(new Window(cut, 4096), header(0, 0)))
                .isInstanceOfSatisfying(
                        FormatException.class,
                        e -> assertThat(e.violation().rule()).isEqualTo(Rule.HEADER_TRUNCATED));
    }

    @ParameterizedTest
    @CsvSource({"15, true", "16, false", "400, false"})
    void aBackingFormatHasAtMost15Bytes(int length, boolean legal) throws IOException {
        String bytes = "e2 79 2a ca %08x".formatted(length) + "61".repeat(length);

        if (legal) {
            assertThat(read(bytes).last(BackingFormat.class))
                    .contains(new BackingFormat(112, "a".repeat(length)));
        } else {
            assertThatThrownBy(() -> read(bytes))
                    .hasMessage(
                            "backing format extension: length at file offset 108 is %d; it must be less than 16",
                            length);
        }
    }

    @Test
    void anUnknownIdIsKeptWithItsData() throws IOException {
        Unknown unknown =
                read("ff ff ff ff 00 00 00 03 01 02 03 ee ee ee ee ee")
                        .last(Unknown.class)
                        .orElseThrow();

        assertThat(unknown.id()).isEqualTo(-1);
        assertThat(unknown.data()).containsExactly(1, 2, 3);
    }

    /// Extensions of no length are the most that a cluster can hold: 2 MiB / 8.
    @Test
    void aClusterFullOfEmptyExtensionsIsReadInBoundedTime() throws IOException {
        int clusterBits = 21;
        var bytes = new byte[1 << clusterBits];
        Arrays.fill(bytes, START, bytes.length, (byte) 0);
        for (int at = START; at < bytes.length; at += 8) {
            bytes[at] = 1;
        }

        HeaderExtensions extensions =
                HeaderExtensions.read(
                        new Window(new MemoryImageFile(bytes), 4096), header(0, 0, clusterBits));

        assertThat(extensions.all()).hasSize((bytes.length - START) / 8);
    }

    private static HeaderExtensions read(String hex) throws IOException {
        return read(header(0, 0), hex);
    }

    private static HeaderExtensions read(Header header, String hex) throws IOException {
        return HeaderExtensions.read(new Window(file(hex), 4096), header);
    }

    private static MemoryImageFile file(String hex) {
        byte[] extensions = MemoryImageFile.ofHex(hex).bytes();
        var file = new byte[CLUSTER_SIZE];
        System.arraycopy(extensions, 0, file, START, extensions.length);
        return new MemoryImageFile(file);
    }

    private static Header header(int cryptMethod, long backingFileOffset) {
        return header(cryptMethod, backingFileOffset, 9);
    }

    private static Header header(int cryptMethod, long backingFileOffset, int clusterBits) {
        return new Header(
                3,
                backingFileOffset,
                0,
                clusterBits,
                0,
                cryptMethod,
                0,
                0,
                512,
                1,
                0,
                0,
                0,
                0,
                0,
                4,
                START,
                0);
    }
}
