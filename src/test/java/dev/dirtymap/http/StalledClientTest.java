package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Undisturbed;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Clients that take nothing of a stream: the image stays free, the service keeps its memory, and drops them.
@Undisturbed
class StalledClientTest {

    /// A few more than a heap of 64 MiB allows at once.
    private static final int CLIENTS = 40;

    private static final int TIMEOUT_SECONDS = 8;

    /// Far less than the 20 seconds that hold if the property has no effect.
    private static final long LATEST_NANOS = 17_000_000_000L;

    @TempDir private Path folder;

    @Test
    void areDroppedAndNobodyElseMinds() throws Exception {
        LongList.create(folder);
        try (Server server =
                Server.start(folder, "server.tomcat.connection-timeout=" + TIMEOUT_SECONDS + "s")) {
            Client client = Client.of(server);
            client.json("/v1/images");
            List<Socket> stalled = new ArrayList<>();
            try {
                for (int i = 0; i < CLIENTS; i++) {
                    stalled.add(ask(server, i));
                }
                List<Socket> served = new ArrayList<>();
                for (Socket socket : stalled) {
                    byte[] first = socket.getInputStream().readNBytes(12);
                    String status = new String(first, ISO_8859_1);
                    // Who comes late on a fast machine finds no place; on a slow one the first are
                    // dropped.
                    assertThat(status).isIn("HTTP/1.1 200", "HTTP/1.1 503");
                    if (status.endsWith("200")) {
                        served.add(socket);
                    } else {
                        byte[] rest = socket.getInputStream().readAllBytes();
                        assertThat(new String(rest, ISO_8859_1))
                                .contains("\r\nConnection: close\r\n");
                    }
                }
                assertThat(served).hasSizeGreaterThan(CLIENTS / 2);
                assertThat(streams(server)).as("streams open at the same time").isPositive();
                long start = System.nanoTime();
                // Takes all the locks of a machine, and fails if anybody holds another.
                QemuIo.run(folder.resolve(LongList.FILE), "write -P 7 900G 64k");
                client.json("/v1/images/disk.qcow2/bitmaps/a/extents?limit=10");
                long free = System.nanoTime() - start;
                while (streams(server) > 0) {
                    assertThat(System.nanoTime() - start).isLessThan(LATEST_NANOS);
                    Thread.sleep(50);
                }
                System.out.printf(
                        "the image was free after %d ms, the clients were dropped after %d ms%n",
                        free / 1_000_000, (System.nanoTime() - start) / 1_000_000);
                for (Socket socket : served) {
                    String rest = rest(socket);
                    // Who had still to be sent the first bytes when the image changed was told so.
                    assertThat(rest.endsWith("\r\n0\r\n\r\n") && !rest.contains("resumeOffset"))
                            .as(rest)
                            .isFalse();
                }
                client.json("/v1/images/disk.qcow2/bitmaps/a/extents?limit=10");
            } finally {
                for (Socket socket : stalled) {
                    socket.close();
                }
            }
        }
    }

    /// Asks for a stream.
    private static Socket ask(Server server, int number) throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(4096);
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()));
        String type = ExtentStream.TYPES.get(number % ExtentStream.TYPES.size());
        socket.getOutputStream()
                .write(
                        """
                        GET /v1/images/disk.qcow2/bitmaps/a/extents HTTP/1.1\r
                        Host: x\r
                        Accept: %s\r
                        \r
                        """
                                .formatted(type)
                                .getBytes(ISO_8859_1));
        return socket;
    }

    /// How many descriptors of the image the service has: each stream has one.
    private static long streams(Server server) throws IOException {
        long count = 0;
        try (Stream<Path> descriptors =
                Files.list(Path.of("/proc/%d/fd".formatted(server.pid())))) {
            for (Path descriptor : descriptors.toList()) {
                try {
                    if (Files.readSymbolicLink(descriptor).endsWith(LongList.FILE)) {
                        count++;
                    }
                } catch (NoSuchFileException closed) {
                    // Meanwhile.
                }
            }
        }
        return count;
    }

    /// The last bytes of what was on its way; empty if the connection was reset.
    private static String rest(Socket socket) throws IOException {
        InputStream in = socket.getInputStream();
        String last = "";
        byte[] buffer = new byte[1 << 16];
        try {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                last += new String(buffer, 0, count, ISO_8859_1);
                last = last.substring(Math.max(0, last.length() - 400));
            }
        } catch (SocketException reset) {
            return "";
        }
        return last;
    }
}
