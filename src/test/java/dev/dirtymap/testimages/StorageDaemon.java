package dev.dirtymap.testimages;

import dev.dirtymap.testimages.QemuJudge.LoadedBitmap;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// A running `qemu-storage-daemon`: the stand-in for a virtual machine that holds an image.
///
/// While it has an image open for writing, the bitmaps on disk are marked in use. [#close] stores them, [#kill] leaves
/// them in use for ever. QMP is UTF-8, so names that are not pass only through [QemuImg] and [NbdMap].
public final class StorageDaemon implements AutoCloseable {

    private static final int TRIES = 3;

    private final Path folder;
    private final SocketFolder place;
    private final Process process;
    private final QmpChannel monitor;
    private boolean ended;

    private StorageDaemon(Path folder, SocketFolder place, Process process, QmpChannel monitor) {
        this.folder = folder;
        this.place = place;
        this.process = process;
        this.monitor = monitor;
    }

    /// Starts a daemon that has no image yet.
    ///
    /// @param folder its working directory, relative to which it finds images and their data files
    public static StorageDaemon start(Path folder) {
        // Rarely a daemon comes up deaf: its monitor was connected to while it was set up.
        for (int tries = 1; ; tries++) {
            try {
                return tryStart(folder);
            } catch (AssertionError e) {
                if (tries == TRIES) {
                    throw e;
                }
            }
        }
    }

    private static StorageDaemon tryStart(Path folder) {
        try {
            SocketFolder place = SocketFolder.create();
            Process process =
                    Command.of("qemu-storage-daemon")
                            .with("--object", ImageArgument.SECRET_OBJECT)
                            .with(
                                    "--chardev",
                                    "socket,id=qmp,server=on,wait=off,path=" + place.socket())
                            .with("--monitor", "chardev=qmp")
                            .with("--pidfile", place.ready().toString())
                            .in(folder)
                            .start(Redirect.DISCARD, Redirect.to(place.log().toFile()));
            try {
                return new StorageDaemon(
                        folder, place, process, new QmpChannel(place.connectWhenReady(process)));
            } catch (IOException | AssertionError e) {
                Programs.destroy(process);
                place.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Executes a QMP command and gives what is under `return`.
    ///
    /// @throws AssertionError with QEMU's text if it fails
    public JsonNode execute(String command, @Nullable JsonNode arguments) {
        JsonNode reply = tryExecute(command, arguments);
        if (!reply.has("return")) {
            throw new AssertionError("%s %s: %s".formatted(command, arguments, reply));
        }
        return reply.get("return");
    }

    /// Executes a QMP command and gives the whole reply, which has either `return` or `error`.
    public JsonNode tryExecute(String command, @Nullable JsonNode arguments) {
        try {
            return monitor.call(command, arguments);
        } catch (IOException e) {
            throw new UncheckedIOException(command + ": " + place.logText(), e);
        }
    }

    /// Opens an image as block node.
    ///
    /// @param file relative to the daemon's folder
    public void open(String node, String file, boolean readOnly) {
        ObjectNode arguments =
                arguments()
                        .put("driver", "qcow2")
                        .put("node-name", node)
                        .put("read-only", readOnly);
        arguments.putObject("cache").put("no-flush", true);
        if (ImageArgument.encrypted(folder.resolve(file))) {
            arguments
                    .putObject("encrypt")
                    .put("format", "luks")
                    .put("key-secret", ImageArgument.SECRET_ID);
        }
        arguments.putObject("file").put("driver", "file").put("filename", file);
        execute("blockdev-add", arguments);
    }

    /// Closes a block node, which stores its bitmaps.
    public void closeNode(String node) {
        execute("blockdev-del", arguments().put("node-name", node));
    }

    /// The bitmaps that QEMU has loaded for a block node, by name and in its order, which is the reverse of the
    /// directory's.
    public SequencedMap<String, LoadedBitmap> bitmaps(String node) {
        SequencedMap<String, LoadedBitmap> bitmaps = new LinkedHashMap<>();
        for (JsonNode one : execute("query-named-block-nodes", arguments().put("flat", true))) {
            if (one.path("node-name").asString().equals(node)) {
                for (JsonNode bitmap : one.path("dirty-bitmaps")) {
                    bitmaps.put(bitmap.path("name").asString(), loaded(node, bitmap));
                }
            }
        }
        return bitmaps;
    }

    private LoadedBitmap loaded(String node, JsonNode bitmap) {
        boolean inconsistent = bitmap.path("inconsistent").asBoolean(false);
        String sha256 =
                inconsistent
                        ? ""
                        : execute(
                                        "x-debug-block-dirty-bitmap-sha256",
                                        bitmap(node, bitmap.path("name").asString()))
                                .path("sha256")
                                .asString();
        return new LoadedBitmap(
                bitmap.path("granularity").asLong(),
                bitmap.path("recording").asBoolean(),
                inconsistent,
                bitmap.path("count").asLong(),
                sha256);
    }

    /// Adds a persistent bitmap. It is nowhere on disk before its node is closed.
    ///
    /// @param granularity in bytes, a power of two from 512 to 2 GiB
    public void addBitmap(String node, String name, long granularity, boolean enabled) {
        execute(
                "block-dirty-bitmap-add",
                bitmap(node, name)
                        .put("granularity", granularity)
                        .put("persistent", true)
                        .put("disabled", !enabled));
    }

    public void mergeBitmaps(String node, String target, String... sources) {
        ObjectNode arguments = arguments().put("node", node).put("target", target);
        ArrayNode list = arguments.putArray("bitmaps");
        for (String source : sources) {
            list.add(source);
        }
        execute("block-dirty-bitmap-merge", arguments);
    }

    /// A command that takes a node and a bitmap's name: `remove`, `clear`, `enable` or `disable`.
    public void bitmapAction(String action, String node, String name) {
        execute("block-dirty-bitmap-" + action, bitmap(node, name));
    }

    /// Serves a node over NBD, once a node, with its name as export name.
    ///
    /// @param socket where; the server is started with the first export
    public void exportNbd(String node, Path socket, boolean writable, String... bitmaps) {
        if (execute("query-block-exports", null).isEmpty()) {
            ObjectNode server = arguments();
            server.putObject("addr")
                    .put("type", "unix")
                    .putObject("data")
                    .put("path", socket.toString());
            execute("nbd-server-start", server);
        }
        ObjectNode export =
                arguments()
                        .put("type", "nbd")
                        .put("id", node)
                        .put("node-name", node)
                        .put("writable", writable);
        ArrayNode list = export.putArray("bitmaps");
        for (String bitmap : bitmaps) {
            list.add(bitmap);
        }
        execute("block-export-add", export);
    }

    /// An empty object for the arguments of a command.
    public static ObjectNode arguments() {
        return JsonMapper.shared().createObjectNode();
    }

    /// What the daemon wrote to standard error so far.
    public String stderr() {
        return place.logText();
    }

    /// The end of a machine whose host lost power: nothing is stored, in_use stays set.
    public void kill() {
        if (!ended) {
            end();
        }
    }

    /// Ends the daemon with SIGTERM, which stores all bitmaps, and waits until it is gone.
    ///
    /// @throws AssertionError if it could not store a bitmap, which QEMU tells on standard error only
    @Override
    public void close() {
        if (ended) {
            return;
        }
        process.destroy();
        try {
            if (!process.waitFor(60, TimeUnit.SECONDS)) {
                throw new AssertionError("the storage daemon does not end: " + stderr());
            }
            if (process.exitValue() != 0 || stderr().contains("Lost persistent bitmaps")) {
                throw new AssertionError(
                        "the storage daemon ended with %d: %s"
                                .formatted(process.exitValue(), stderr()));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            end();
        }
    }

    private void end() {
        ended = true;
        Programs.destroy(process);
        try {
            monitor.close();
            place.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ObjectNode bitmap(String node, String name) {
        return arguments().put("node", node).put("name", name);
    }
}
