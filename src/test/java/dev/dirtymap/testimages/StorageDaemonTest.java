package dev.dirtymap.testimages;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StorageDaemonTest {

    @TempDir private Path folder;

    private QemuImg qemuImg = new QemuImg(Path.of("."));

    @BeforeEach
    void createImage() {
        qemuImg = new QemuImg(folder);
        qemuImg.create("a.qcow2", "1M");
        qemuImg.bitmapAdd("a.qcow2", "old", 0, true);
    }

    @Test
    void storesItsBitmapsWhenClosed() {
        try (var daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "a.qcow2", false);
            daemon.addBitmap("disk", "new", 512, false);
            daemon.mergeBitmaps("disk", "new", "old");
            daemon.bitmapAction("enable", "disk", "new");
        }
        var bytes = new ImageBytes(folder.resolve("a.qcow2"));
        assertThat(bytes.bitmapCount()).isEqualTo(2);
        assertThat(bytes.bitmapName(1)).asString().isEqualTo("new");
        assertThat(bytes.bitmapFlags(1)).isEqualTo(2);
        qemuImg.assertClean("a.qcow2");
    }

    @Test
    void leavesBitmapsInUseWhenKilled() {
        try (var daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "a.qcow2", false);
            daemon.kill();
        }
        assertThat(new ImageBytes(folder.resolve("a.qcow2")).bitmapFlags(0)).isEqualTo(3);
        assertThat(qemuImg.info("a.qcow2").at("/format-specific/data/bitmaps/0/flags/0").asString())
                .isEqualTo("in-use");
    }

    @Test
    void servesItsNodesOverNbd() {
        try (var daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "a.qcow2", true);
            Path socket = folder.resolve("nbd");
            daemon.exportNbd("disk", socket, false, "old");
            assertThat(
                            Programs.run(
                                            folder,
                                            "nbdinfo",
                                            "--size",
                                            "nbd+unix:///disk?socket=" + socket)
                                    .stdout())
                    .isEqualToIgnoringNewLines("1048576");
        }
    }

    @Test
    void givesQemusRefusal() {
        try (var daemon = StorageDaemon.start(folder)) {
            assertThat(
                            daemon.tryExecute("nosuch", StorageDaemon.arguments())
                                    .at("/error/class")
                                    .asString())
                    .isEqualTo("CommandNotFound");
        }
    }
}
