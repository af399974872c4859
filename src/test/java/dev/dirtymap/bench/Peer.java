package dev.dirtymap.bench;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.dirtymap.testimages.NbdServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// `qemu-nbd` that serves a disk and its bitmap `b`, and `nbdinfo` that asks it. Starting the server, and with it
/// reading the bitmap, is not in any time.
final class Peer implements AutoCloseable {

    private static final String MAP = "--map=qemu:dirty-bitmap:b";

    private final Path folder;
    private final NbdServer server;
    private long peakBytes;

    Peer(Bench bench, String disk) {
        this.folder = bench.folder();
        this.server = NbdServer.start(folder, "-r", "-f", "qcow2", "-B", "b", disk + ".qcow2");
    }

    /// Lists all extents as JSON.
    double map() throws IOException, InterruptedException {
        Program run = Program.run(folder, "nbdinfo", "--json", MAP, server.uri());
        peakBytes = Math.max(peakBytes, run.peakBytes());
        return run.seconds();
    }

    /// Sums up.
    double totals() throws IOException, InterruptedException {
        return Program.run(folder, "nbdinfo", MAP, "--totals", server.uri()).seconds();
    }

    /// The most memory that a list took.
    long peakBytes() {
        return peakBytes;
    }

    Listed listed() throws IOException, InterruptedException {
        return Program.read(Listed::of, folder, "nbdinfo", "--json", MAP, server.uri());
    }

    /// What the totals say: dirty bytes.
    long dirtyBytes() throws IOException, InterruptedException {
        List<String> lines =
                Program.read(
                        output -> new String(output.readAllBytes(), US_ASCII).lines().toList(),
                        folder,
                        "nbdinfo",
                        MAP,
                        "--totals",
                        server.uri());
        for (String line : lines) {
            if (line.endsWith("dirty")) {
                return Long.parseLong(line.strip().split("\\s+", 2)[0]);
            }
        }
        return 0;
    }

    @Override
    public void close() {
        server.close();
    }
}
