package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Disks.Disk;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/// Replacing all bits of a bitmap.
class PutBitsTest {

    private static final String TYPE = "application/octet-stream";

    private final Disks disks = new Disks();

    @AfterEach
    void qemuFindsNothingWrong() {
        disks.assertClean();
    }

    @ParameterizedTest
    @CsvSource({"1G, 2048", "512, 1", "196608, 1", "8G, 16384", "40G, 81920"})
    void whatIsPutIsWhatIsGot(String size, int length) {
        Disk disk = disks.create("disk.qcow2", size).with("a");
        disk.patch("a", "{\"referencePoint\":{\"note\":\"n\"}}").json();
        byte[] bits = new byte[length];
        new Random(length).nextBytes(bits);
        if (length == 1) {
            bits[0] = 1;
        }
        Answer put = disk.put("a", bits);
        JsonNode bitmap = Disks.requireSame(put, disk.bitmap("a"));
        assertThat(bitmap.has("referencePoint")).isFalse();
        assertThat(Disks.CLIENT.get(disk.bitmap("a") + "/bits").body()).isEqualTo(bits);
        Answer chunked =
                Disks.CLIENT.sendChunked(
                        "PUT", disk.bitmap("a") + "/bits", new byte[length], "Content-Type", TYPE);
        assertThat(chunked.json().path("dirtyBytes").asLong(-1)).isZero();
        assertThat(chunked.json().path("storedBytes").asLong(-1)).isZero();
    }

    @Test
    void theLengthMustBeExact() {
        Disk disk = disks.create("disk.qcow2", "1G").with("a", 0, 1);
        String path = disk.bitmap("a") + "/bits";
        for (int length : new int[] {0, 1, 2047, 2049, 1 << 20}) {
            disk.put("a", new byte[length]).problem(400, "invalid-request");
            Answer chunked =
                    Disks.CLIENT.sendChunked("PUT", path, new byte[length], "Content-Type", TYPE);
            chunked.problem(
                    length > 2048 ? 413 : 400,
                    length > 2048 ? "request-too-large" : "invalid-request");
        }
        Disks.CLIENT
                .send("PUT", path, new byte[2048], "Content-Type", "application/json")
                .problem(415, "unsupported-media-type");
        disk.put("none", new byte[2048]).problem(404, "bitmap-not-found");
        assertThat(disk.dirty("a")).containsExactly("0+65536");
    }

    @Test
    void bitsBeyondTheEndAreRefused() {
        Disk disk = disks.create("disk.qcow2", "196608").with("a");
        for (int bits : new int[] {8, 0x80, 0xff}) {
            disk.put("a", new byte[] {(byte) bits}).problem(400, "invalid-request");
        }
        assertThat(disk.put("a", new byte[] {7}).json().path("dirtyBytes").asLong())
                .isEqualTo(196608);
    }

    /// Others change the image while the bits trickle in.
    @Test
    void aSlowClientHoldsNoLock() throws IOException {
        Disk disk = disks.create("disk.qcow2", "1G").with("a").with("b");
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), Server.shared().port())) {
            OutputStream out = socket.getOutputStream();
            out.write(
                    "PUT %s/bits HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: 2048\r\n\r\n"
                            .formatted(disk.bitmap("a"), TYPE)
                            .getBytes(ISO_8859_1));
            out.write(new byte[2000]);
            out.flush();
            disk.post("/bitmaps/b/clear", "").json();
            disks.qemuImg().bitmapAdd("disk.qcow2", "c", 65536, true);
            byte[] rest = new byte[48];
            rest[0] = 1;
            out.write(rest);
            out.flush();
            String answer = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
            assertThat(answer).startsWith("HTTP/1.1 200");
        }
        assertThat(disk.dirty("a")).containsExactly(2000L * 8 * 65536 + "+65536");
        assertThat(disk.bitmaps()).containsExactly("a", "b", "c");
    }
}
