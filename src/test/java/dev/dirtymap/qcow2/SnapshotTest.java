package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.testimages.MemoryImageFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SnapshotTest {

    /// Two entries at offset 512: one with extra data, id `1` and name `first`, one with nothing.
    private static final String TABLE =
            "00".repeat(512)
                    + """
                    00 00 00 00 00 05 00 00  00 00 00 02  00 01  00 05
                    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
                    00 00 00 00 00 00 00 10
                    00 00 00 00 00 00 00 00 00 00 00 00 00 10 00 00
                    31 66 69 72 73 74 00 00
                    ff ff ff ff ff ff ff ff  ff ff ff ff  00 00  00 00
                    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
                    00 00 00 00 00 00 00 00
                    """;

    @Test
    void readsEveryEntry() throws IOException {
        assertThat(read(TABLE, 2))
                .containsExactly(
                        new Snapshot(512, 64, 0x50000, 2), new Snapshot(576, 40, -1, 0xffffffffL));
    }

    @Test
    void readsNoMoreEntriesThanTheHeaderSays() throws IOException {
        assertThat(read(TABLE, 1)).hasSize(1);
        assertThat(read("", 0)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        // file length, where the entry starts, where it must end
        "512, 512, 552",
        "551, 512, 552",
        "552, 512, 574",
        "573, 512, 574",
        "615, 576, 616",
    })
    void refusesATableThatEndsWithTheFile(int length, long at, long end) {
        byte[] bytes = MemoryImageFile.ofHex(TABLE).bytes();

        assertThatThrownBy(() -> read(Arrays.copyOf(bytes, length), 2))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "snapshot table: end of the entry at file offset %d is %d; it must be within the file (the file"
                                + " has %d bytes)",
                        at, end, length);
    }

    @Test
    void thePaddingOfTheLastEntryMayBeMissing() throws IOException {
        byte[] bytes = MemoryImageFile.ofHex(TABLE).bytes();

        assertThat(read(Arrays.copyOf(bytes, 574), 1)).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource({"1024, true", "1025, false", "4294967295, false", "2147483648, false"})
    void extraDataHasAtMost1024Bytes(long extra, boolean legal) throws IOException {
        byte[] bytes = Arrays.copyOf(MemoryImageFile.ofHex(TABLE).bytes(), 4096);
        for (int i = 0; i < 4; i++) {
            bytes[512 + 36 + i] = (byte) (extra >>> (8 * (3 - i)));
        }

        if (legal) {
            assertThat(read(bytes, 1))
                    .containsExactly(new Snapshot(512, 40 + 1024 + 8, 0x50000, 2));
        } else {
            assertThatThrownBy(() -> read(bytes, 1))
                    .hasMessage(
                            "snapshot table: extra_data_size at file offset 548 is %d; it must be at most 1024 bytes",
                            extra);
        }
    }

    private static List<Snapshot> read(String hex, int count) throws IOException {
        return read(MemoryImageFile.ofHex(hex).bytes(), count);
    }

    private static List<Snapshot> read(byte[] bytes, int count) throws IOException {
        List<Snapshot> found = new ArrayList<>();
        var header = new Header(3, 0, 0, 9, 0, 0, 0, 0, 512, 1, count, 512, 0, 0, 0, 4, 104, 0);
        Snapshot.readAll(new Window(new MemoryImageFile(bytes), 4096), header, found::add);
        return found;
    }
}
