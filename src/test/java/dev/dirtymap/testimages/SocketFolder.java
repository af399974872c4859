package dev.dirtymap.testimages;

import java.io.IOException;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;

/// A folder with a short path for one Unix socket (its path has 107 bytes at most) and the output of its server.
record SocketFolder(Path folder) implements AutoCloseable {

    private static final int PATH_LIMIT = 107;

    static SocketFolder create() throws IOException {
        var folder = new SocketFolder(Files.createTempDirectory("qs"));
        int length = folder.socket().toString().length();
        if (length > PATH_LIMIT) {
            folder.close();
            throw new IllegalStateException(
                    "The path of a socket must have at most %d bytes but was %s: set java.io.tmpdir to a shorter one"
                            .formatted(PATH_LIMIT, folder.socket()));
        }
        return folder;
    }

    Path socket() {
        return folder.resolve("s");
    }

    /// A file that the server makes when it is set up: who connects before is sometimes not heard.
    Path ready() {
        return folder.resolve("pid");
    }

    Path log() {
        return folder.resolve("log");
    }

    String logText() {
        try {
            return Files.readString(log());
        } catch (IOException e) {
            return e.toString();
        }
    }

    /// Waits until the server is set up, and connects.
    ///
    /// @throws AssertionError if the server ends before, or is not set up within 30 s
    SocketChannel connectWhenReady(Process server) throws IOException {
        Instant end = Instant.now().plus(Duration.ofSeconds(30));
        while (!Files.exists(ready())) {
            if (!server.isAlive() || Instant.now().isAfter(end)) {
                throw new AssertionError("no server is ready: " + logText());
            }
            pause(2);
        }
        // Its monitor's own thread may need a moment more.
        pause(5);
        return connect(server);
    }

    private static void pause(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /// Waits until the server listens, and connects to it. That the socket exists is not enough: it is bound a moment
    /// before it is listened on.
    ///
    /// @throws AssertionError if the server ends before, or does not listen within 30 s
    SocketChannel connect(Process server) throws IOException {
        Instant end = Instant.now().plus(Duration.ofSeconds(30));
        while (true) {
            try {
                return SocketChannel.open(UnixDomainSocketAddress.of(socket()));
            } catch (SocketException e) {
                if (!server.isAlive() || Instant.now().isAfter(end)) {
                    throw new AssertionError("no server listens: " + logText(), e);
                }
            }
            pause(2);
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(socket());
        Files.deleteIfExists(ready());
        Files.deleteIfExists(log());
        Files.delete(folder);
    }
}
