package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Disks.Disk;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Changes that do not come to an end: bits whose client goes away, and a header without room.
class BrokenOffTest {

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Disks disks = new Disks();

    @AfterEach
    void qemuFindsNothingWrong() {
        disks.assertClean();
    }

    /// Bits that stop in the middle: nothing is changed, and no lock, no file and no descriptor is left.
    @ParameterizedTest(name = "{0}, {1}")
    @CsvSource({
        "Content-Length: 2048, end",
        "Content-Length: 2048, reset",
        "Transfer-Encoding: chunked, end",
        "Transfer-Encoding: chunked, reset"
    })
    void bitsWhoseClientGoesAwayAreNoChange(String header, String how) throws Exception {
        Disk disk = disks.create("disk.qcow2", "1G").with("a", 0, 1);
        String etag = disk.etag();
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), Server.shared().port())) {
            OutputStream out = socket.getOutputStream();
            out.write(
                    "PUT %s/bits HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n%s\r\n\r\n"
                            .formatted(disk.bitmap("a"), header)
                            .getBytes(ISO_8859_1));
            if (header.endsWith("chunked")) {
                out.write("3e8\r\n".getBytes(ISO_8859_1));
            }
            out.write(new byte[1000]);
            out.flush();
            awaitUploads(1);
            if (how.equals("end")) {
                socket.shutdownOutput();
                String answer = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
                assertThat(answer).doesNotStartWith("HTTP/1.1 2").doesNotStartWith("HTTP/1.1 5");
            } else {
                // Closing sends RST.
                socket.setSoLinger(true, 0);
            }
        }
        awaitUploads(0);
        assertThat(disk.etag()).isEqualTo(etag);
        assertThat(disk.dirty("a")).containsExactly("0+65536");
        QemuIo.run(disks.path("disk.qcow2"), "discard 1M 64k");
        disk.put("a", new byte[2048]).json();
    }

    /// Waits until the service holds the bits of so many uploads, in files that have no name any more.
    private static void awaitUploads(int count) throws Exception {
        Instant end = Instant.now().plus(PATIENCE);
        while (true) {
            List<String> uploads = uploads();
            assertThat(uploads).allMatch(upload -> upload.endsWith(" (deleted)"));
            if (uploads.size() == count) {
                return;
            }
            assertThat(Instant.now()).as("%s", uploads).isBefore(end);
            Thread.sleep(5);
        }
    }

    private static List<String> uploads() throws IOException {
        List<String> uploads = new ArrayList<>();
        try (Stream<Path> descriptors =
                Files.list(Path.of("/proc/%d/fd".formatted(Server.shared().pid())))) {
            for (Path descriptor : descriptors.toList()) {
                try {
                    String target = Files.readSymbolicLink(descriptor).toString();
                    // Each has a second descriptor, for its channel.
                    if (target.contains(".dirtymap/uploads/") && !uploads.contains(target)) {
                        uploads.add(target);
                    }
                } catch (NoSuchFileException closed) {
                    // Meanwhile.
                }
            }
        }
        return uploads;
    }

    /// A header of 512 bytes has room for some words about a bitmap, and not for many.
    @Test
    void aReferencePointThatDoesNotFitIsRefusedWithAllElse() throws IOException {
        Disk disk = disks.create("small.qcow2", "1M", "cluster_size=512").with("a", 0, 1);
        byte[] before = Files.readAllBytes(disks.path("small.qcow2"));
        String tooMuch = "{\"note\":\"%s\"}".formatted("x".repeat(600));
        disk.patch("a", "{\"enabled\":false,\"referencePoint\":%s}".formatted(tooMuch))
                .problem(422, "header-full");
        disk.post("/bitmaps", "{\"name\":\"b\",\"referencePoint\":%s}".formatted(tooMuch))
                .problem(422, "header-full");
        disk.post("/bitmaps/a/clear", "{\"referencePoint\":%s}".formatted(tooMuch))
                .problem(422, "header-full");
        disk.post("/bitmaps/a/copy", "{\"name\":\"b\",\"referencePoint\":%s}".formatted(tooMuch))
                .problem(422, "header-full");
        assertThat(Files.readAllBytes(disks.path("small.qcow2"))).isEqualTo(before);
        disk.patch("a", "{\"referencePoint\":{\"note\":\"short\"}}").json();
        assertThat(disk.dirty("a")).containsExactly("0+65536");
    }
}
