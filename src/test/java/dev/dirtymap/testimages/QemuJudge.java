package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// What QEMU makes of many states of one image: one running QEMU opens each, and none is written to a fresh file.
public final class QemuJudge implements AutoCloseable {

    private static final String NODE = "state";

    private final String name;
    private final PatchedFile file;
    private final StorageDaemon daemon;
    private final QemuImg qemuImg;

    private QemuJudge(Path folder, String name, ImageFile base) {
        this.name = name;
        this.qemuImg = new QemuImg(folder);
        this.file = new PatchedFile(folder.resolve(name), base);
        try {
            this.daemon = StorageDaemon.start(folder);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /// What QEMU says when it opens an image for reading.
    ///
    /// @param refusal why it does not open it, or null
    /// @param bitmaps that it loads, by name; none if it does not open the image
    public record Verdict(@Nullable String refusal, Map<String, LoadedBitmap> bitmaps) {

        public Verdict {
            bitmaps = Map.copyOf(bitmaps);
        }
    }

    /// A bitmap that QEMU has loaded. Two with the same content are equal.
    ///
    /// @param granularity in bytes
    /// @param inconsistent whether it was in use when its writer died; then its content is unknown
    /// @param dirtyBytes as QEMU counts them: whole granules
    /// @param sha256 of the bits in memory, in words of 64 bits; empty if inconsistent
    public record LoadedBitmap(
            long granularity,
            boolean enabled,
            boolean inconsistent,
            long dirtyBytes,
            String sha256) {}

    /// Starts QEMU.
    ///
    /// @param folder of the file in which the states are shown, and of the files that the image refers to
    /// @param name of that file, which is overwritten
    /// @param base of all the states
    public static QemuJudge start(Path folder, String name, ImageFile base) {
        return new QemuJudge(folder, name, base);
    }

    /// Opens a state in QEMU, for reading.
    public Verdict judge(OverlayImageFile state) {
        file.show(state);
        ObjectNode open =
                StorageDaemon.arguments()
                        .put("driver", "qcow2")
                        .put("node-name", NODE)
                        .put("read-only", true);
        open.putObject("file").put("driver", "file").put("filename", name);
        JsonNode reply = daemon.tryExecute("blockdev-add", open);
        if (!reply.has("return")) {
            return new Verdict(reply.at("/error/desc").asString(), Map.of());
        }
        Map<String, LoadedBitmap> bitmaps = daemon.bitmaps(NODE);
        daemon.closeNode(NODE);
        return new Verdict(null, bitmaps);
    }

    /// Runs `qemu-img check` on a state.
    public QemuImg.CheckResult check(OverlayImageFile state) {
        file.show(state);
        return qemuImg.check(name);
    }

    @Override
    public void close() {
        try (file) {
            daemon.close();
        }
    }
}
