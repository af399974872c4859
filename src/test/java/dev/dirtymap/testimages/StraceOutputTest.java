package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.testimages.DiskEvent.Discard;
import dev.dirtymap.testimages.DiskEvent.Sync;
import dev.dirtymap.testimages.DiskEvent.Write;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StraceOutputTest {

    @Test
    void readsWritesDiscardsAndSyncs() throws IOException {
        assertThat(
                        events(
                                """
                                7 pwrite64(4, "QFI\\373\\0", 5, 65536) = 5
                                7 fdatasync(4)                      = 0
                                8 fallocate(4, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 512, 1024) = 0
                                8 fsync(4) = 0
                                """))
                .containsExactly(
                        write(65536, 'Q', 'F', 'I', 0xfb, 0),
                        new Sync(),
                        new Discard(512, 1024),
                        new Sync());
    }

    @Test
    void readsTheStringsOfC() throws IOException {
        assertThat(
                        events(
                                """
                                7 pwrite64(4, "\\1\\0012\\0018\\18\\n\\t\\r\\v\\f\\"\\\\, 3, 4)", 21, 0) = 21
                                """))
                .containsExactly(
                        write(
                                0, 1, 1, '2', 1, '8', 1, '8', '\n', '\t', '\r', 0x0b, '\f', '"',
                                '\\', ',', ' ', '3', ',', ' ', '4', ')'));
    }

    @Test
    void aCallOfAThreadMayEndLater() throws IOException {
        assertThat(
                        events(
                                """
                                7 pwrite64(4, "a", 1, 0 <unfinished ...>
                                8 pwrite64(4, "b", 1, 1 <unfinished ...>
                                8 <... pwrite64 resumed>)             = 1
                                7 <... pwrite64 resumed>)             = 1
                                8 fdatasync(4 <unfinished ...>
                                7 pwrite64(4, "c", 1, 2) = 1
                                8 <... fdatasync resumed>)            = 0
                                """))
                .containsExactly(write(0, 'a'), write(1, 'b'), new Sync(), write(2, 'c'));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "7 pwrite64(4, \"ab\", 2, 0) = 1",
                "7 pwrite64(4, \"ab\"..., 5, 0) = 5",
                "7 pwrite64(4, \"ab\", 2, 0) = -1 EIO (Input/output error)",
                "7 fdatasync(4) = -1 EIO (Input/output error)",
                "7 pwritev(4, [{iov_base=\"a\", iov_len=1}], 1, 0) = 1",
                "7 fallocate(4, FALLOC_FL_ZERO_RANGE, 0, 512) = 0",
                "7 ftruncate(4, 512) = 0",
                "7 pwrite64(4, \"a\", 1, 0 <unfinished ...>\n8 fdatasync(4) = 0",
                "7 pwrite64(4, \"a\", 1, 0 <unfinished ...>\n7 <... pwrite64 resumed>) = 0",
                "7 pwrite64(4, \"a\", 1, 0 <unfinished ...>",
                "strace: out of luck"
            })
    void refusesWhatItDoesNotUnderstand(String trace) {
        assertThatThrownBy(() -> events(trace + "\n")).isInstanceOf(AssertionError.class);
    }

    private static Write write(long offset, int... values) {
        var bytes = ByteBuffer.allocate(values.length);
        for (int value : values) {
            bytes.put((byte) value);
        }
        return new Write(offset, bytes.flip());
    }

    private static List<DiskEvent> events(String trace) throws IOException {
        return new StraceOutput(new ByteArrayInputStream(trace.getBytes(ISO_8859_1))).events();
    }
}
