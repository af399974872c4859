package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.Feature.Word;
import dev.dirtymap.testimages.MemoryImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HeaderTest {

    /// Every field differs from every other, so that none can be taken for its neighbour.
    private static final String VERSION_3 =
            """
            51 46 49 fb  00 00 00 03
            00 00 00 00 00 00 01 d0
            00 00 00 0c  00 00 00 10
            00 00 00 00 00 30 01 ff
            00 00 00 02  00 00 00 05
            00 00 00 00 00 04 00 00
            00 00 00 00 00 01 00 00
            00 00 00 03  00 00 00 07
            00 00 00 00 00 09 00 00
            00 00 00 00 00 00 00 0b
            12 00 00 00 00 00 00 01
            80 00 00 00 00 00 00 01
            00 00 00 06  00 00 00 70
            01 00 00 00 00 00 00 00
            """;

    private static final String VERSION_2 =
            """
            51 46 49 fb  00 00 00 02
            00 00 00 00 00 00 00 00
            00 00 00 00  00 00 00 09
            00 00 00 00 00 00 80 00
            00 00 00 00  00 00 00 01
            00 00 00 00 00 00 06 00
            00 00 00 00 00 00 02 00
            00 00 00 01  00 00 00 00
            00 00 00 00 00 00 00 00
            ff ff ff ff ff ff ff ff
            ff ff ff ff ff ff ff ff
            ff ff ff ff ff ff ff ff
            ff ff ff ff  ff ff ff ff
            """;

    @Test
    void readsEveryFieldOfVersion3() throws IOException {
        Header header = read(MemoryImageFile.ofHex(VERSION_3));

        assertThat(header)
                .isEqualTo(
                        new Header(
                                3,
                                0x1d0,
                                12,
                                16,
                                0x3001ff,
                                2,
                                5,
                                0x40000,
                                0x10000,
                                3,
                                7,
                                0x90000,
                                0xb,
                                0x1200000000000001L,
                                0x8000000000000001L,
                                6,
                                112,
                                1));
        assertThat(header.clusterSize()).isEqualTo(65536);
        assertThat(header.virtualSize()).isEqualTo(0x300000);
        assertThat(header.refcountBits()).isEqualTo(64);
        assertThat(header.compression()).isEqualTo(Compression.ZSTD);
        assertThat(header.encryption()).isEqualTo(Encryption.LUKS);
        assertThat(header.extensionsEnd()).isEqualTo(0x1d0);
        assertThat(header.addressing()).isEqualTo(new Addressing(16, false));
        assertThat(Feature.names(Word.INCOMPATIBLE, header.features(Word.INCOMPATIBLE)))
                .containsExactly("DIRTY", "CORRUPT", "COMPRESSION_TYPE");
        assertThat(Feature.names(Word.COMPATIBLE, header.features(Word.COMPATIBLE)))
                .containsExactly("LAZY_REFCOUNTS", "UNKNOWN_57", "UNKNOWN_60");
        assertThat(Feature.names(Word.AUTOCLEAR, header.features(Word.AUTOCLEAR)))
                .containsExactly("BITMAPS", "UNKNOWN_63");
        assertThat(header.has(Feature.BITMAPS)).isTrue();
        assertThat(header.has(Feature.DATA_FILE)).isFalse();
    }

    @Test
    void readsNothingBehindTheHeaderOfVersion2() throws IOException {
        Header header = read(MemoryImageFile.ofHex(VERSION_2));

        assertThat(header)
                .isEqualTo(
                        new Header(
                                2, 0, 0, 9, 32768, 0, 1, 0x600, 0x200, 1, 0, 0, 0, 0, 0, 4, 72, 0));
        assertThat(header.refcountBits()).isEqualTo(16);
        assertThat(header.has(Feature.BITMAPS)).isFalse();
        assertThat(header.extensionsEnd()).isEqualTo(512);
    }

    @ParameterizedTest
    @CsvSource({"104, 0", "105, 1", "109, 1", "112, 1", "65536, 1"})
    void hasACompressionTypeOnlyIfTheHeaderReachesOverIt(int headerLength, int compressionType)
            throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Arrays.copyOf(bytes(VERSION_3), 65536));
        bytes.putInt(100, headerLength);
        bytes.putLong(72, compressionType == 0 ? 0 : 8);

        Header header = read(new MemoryImageFile(bytes.array()));

        assertThat(header.headerLength()).isEqualTo(headerLength);
        assertThat(header.compressionType()).isEqualTo(compressionType);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void aFileTooShortForTheMagicIsNoImage(int length) throws IOException {
        assertThat(Header.read(window(Arrays.copyOf(bytes(VERSION_3), length)))).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void aFileWithoutTheMagicIsNoImage(int wrongByte) throws IOException {
        byte[] bytes = bytes(VERSION_3);
        bytes[wrongByte] ^= 1;

        assertThat(Header.read(window(bytes))).isEmpty();
        assertThat(Image.open(new MemoryImageFile(bytes), false)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 8, 59, 60, 71, 72, 103})
    void aFileOfVersion3NeedsAHeaderOf104Bytes(int length) {
        assertThatThrownBy(() -> Header.read(window(Arrays.copyOf(bytes(VERSION_3), length))))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "header: file length at file offset 0 is %d; it must be at least 60 bytes, or 104 in version 3",
                        length);
    }

    @ParameterizedTest
    @ValueSource(ints = {60, 71})
    void aFileOfVersion2MayNotEndInTheHeader(int length) {
        assertThatThrownBy(() -> Header.read(window(Arrays.copyOf(bytes(VERSION_2), length))))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "header: file length at file offset 0 is %d; it must be at least the whole header",
                        length);
    }

    @ParameterizedTest
    @ValueSource(ints = {104, 111})
    void aFileOfVersion3MayNotEndInTheHeader(int length) {
        assertThatThrownBy(() -> Header.read(window(Arrays.copyOf(bytes(VERSION_3), length))))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "header: file length at file offset 0 is %d; it must be at least the whole header",
                        length);
    }

    @Test
    void saysTheFirstOfTwoBrokenRules() {
        ByteBuffer bytes = ByteBuffer.wrap(bytes(VERSION_3));
        bytes.putInt(4, -1).putInt(20, 8);

        assertThatThrownBy(() -> Header.read(window(bytes.array())))
                .isInstanceOfSatisfying(
                        FormatException.class,
                        e ->
                                assertThat(e.violation())
                                        .isEqualTo(
                                                new Violation(Rule.VERSION, 4, "4294967295", "")))
                .hasMessage("header: version at file offset 4 is 4294967295; it must be 2 or 3");
    }

    @ParameterizedTest
    @CsvSource({
        // rule, offset, width, good, bad
        "CLUSTER_BITS, 20, 4, 14, 8",
        "CLUSTER_BITS, 20, 4, 16, 22",
        "CLUSTER_BITS, 20, 4, 16, -1",
        "HEADER_LENGTH, 100, 4, 105, 103",
        "HEADER_LENGTH, 100, 4, 65536, 65537",
        "HEADER_LENGTH, 100, 4, 112, -8",
        "BACKING_FILE_OFFSET, 8, 8, 65524, 65537",
        "BACKING_FILE_OFFSET, 8, 8, 65524, -1",
        "BACKING_FILE_SIZE, 16, 4, 1023, 1024",
        "BACKING_FILE_SIZE, 16, 4, 0, -1",
        "BACKING_FILE_SIZE, 8, 8, 65524, 65525",
        "INCOMPATIBLE_FEATURES, 72, 8, 8, 40",
        "INCOMPATIBLE_FEATURES, 72, 8, 31, -1",
        "COMPRESSION_TYPE, 104, 1, 1, 2",
        "COMPRESSION_TYPE, 104, 1, 1, 255",
        "COMPRESSION_BIT, 72, 8, 8, 0",
        "COMPRESSION_BIT, 104, 1, 1, 0",
        "REFCOUNT_ORDER, 96, 4, 0, 7",
        "REFCOUNT_ORDER, 96, 4, 6, -1",
        "CRYPT_METHOD, 32, 4, 0, 3",
        "CRYPT_METHOD, 32, 4, 1, -1",
        "REFCOUNT_TABLE_CLUSTERS, 56, 4, 1, 0",
        "REFCOUNT_TABLE_CLUSTERS, 56, 4, 128, 129",
        "REFCOUNT_TABLE_CLUSTERS, 56, 4, 128, -1",
        "REFCOUNT_TABLE_OFFSET, 48, 8, 65536, 65024",
        "REFCOUNT_TABLE_OFFSET, 48, 8, 9223372035780837376, 9223372035780902912",
        "REFCOUNT_TABLE_OFFSET, 48, 8, 65536, -65536",
        "SNAPSHOT_COUNT, 60, 4, 65536, 65537",
        "SNAPSHOT_COUNT, 60, 4, 0, -1",
        "SNAPSHOTS_OFFSET, 64, 8, 9223372035780968448, 9223372035781033984",
        "SNAPSHOTS_OFFSET, 64, 8, 0, 8",
        "SNAPSHOTS_OFFSET, 64, 8, 0, -65536",
        "L1_SIZE, 36, 4, 4194304, 4194305",
        "L1_SIZE, 36, 4, 1, -1",
        "L1_COVERS_SIZE, 36, 4, 1, 0",
        "L1_COVERS_SIZE, 24, 8, 2684354560, 2684354561",
        "L1_TABLE_OFFSET, 40, 8, 0, 512",
        "L1_TABLE_OFFSET, 40, 8, 9223372035780968448, 9223372035781033984",
        "L1_TABLE_OFFSET, 40, 8, 65536, -65536",
        "VIRTUAL_SIZE, 24, 8, 512, -512",
        "RAW_DATA_FILE, 88, 8, 1, 3",
    })
    void keepsToTheLimitsOfAField(Rule rule, int offset, int width, long good, long bad)
            throws IOException {
        byte[] bytes = Arrays.copyOf(bytes(VERSION_3), 65536);

        assertThat(Header.read(window(poke(bytes, offset, width, good)))).isPresent();
        assertThatThrownBy(() -> Header.read(window(poke(bytes, offset, width, bad))))
                .isInstanceOfSatisfying(
                        FormatException.class,
                        e -> assertThat(e.violation().rule()).isEqualTo(rule));
    }

    @Test
    void extendedL2NeedsClustersOf16KiB() throws IOException {
        byte[] bytes = poke(bytes(VERSION_3), 72, 8, 0x18);
        poke(bytes, 24, 8, 0);

        assertThat(read(new MemoryImageFile(poke(bytes, 20, 4, 14))).addressing())
                .isEqualTo(new Addressing(14, true));
        assertThatThrownBy(() -> Header.read(window(poke(bytes, 20, 4, 13))))
                .hasMessage(
                        "header: cluster_bits at file offset 20 is 13; it must be at least 14 with extended L2 entries");
    }

    private static byte[] bytes(String hex) {
        return MemoryImageFile.ofHex(hex).bytes();
    }

    private static byte[] poke(byte[] bytes, int offset, int width, long value) {
        for (int i = 0; i < width; i++) {
            bytes[offset + i] = (byte) (value >>> (8 * (width - 1 - i)));
        }
        return bytes;
    }

    private static Window window(byte[] bytes) throws IOException {
        return new Window(new MemoryImageFile(bytes), 4096);
    }

    private static Header read(MemoryImageFile file) throws IOException {
        return Header.read(new Window(file, 4096)).orElseThrow();
    }
}
