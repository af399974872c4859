package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QemuImgTest {

    private static final byte[] ODD_NAME = "-\u00ff\n".getBytes(ISO_8859_1);

    @TempDir private Path folder;

    private QemuImg qemuImg = new QemuImg(Path.of("."));
    private ImageBytes bytes = new ImageBytes(Path.of("."));

    @BeforeEach
    void createImage() {
        qemuImg = new QemuImg(folder);
        bytes = new ImageBytes(qemuImg.create("a.qcow2", "1M", "cluster_size=4k"));
    }

    @Test
    void doesToBitmapsWhatItsNamesSay() {
        qemuImg.bitmapAdd("a.qcow2", ODD_NAME, 512, true);
        qemuImg.bitmapAdd("a.qcow2", "b", 0, false);
        assertThat(bytes.bitmapName(0)).isEqualTo(ODD_NAME);
        assertThat(bytes.bitmapFlags(0)).isEqualTo(2);
        assertThat(bytes.u8(bytes.directoryEntry(0) + 17)).isEqualTo(9);
        assertThat(bytes.bitmapFlags(1)).isZero();
        assertThat(bytes.u8(bytes.directoryEntry(1) + 17)).isEqualTo(12);

        QemuIo.run(bytes.file(), "discard 0 512");
        qemuImg.bitmapDisable("a.qcow2", ODD_NAME);
        qemuImg.bitmapEnable("a.qcow2", "b");
        qemuImg.bitmapMerge("a.qcow2", "b".getBytes(ISO_8859_1), ODD_NAME);
        qemuImg.bitmapClear("a.qcow2", ODD_NAME);
        assertThat(NbdMap.dirty(bytes.file(), List.of(ODD_NAME, "b".getBytes(ISO_8859_1))))
                .containsExactly(List.of(), List.of(new Range(0, 4096, true)));

        qemuImg.bitmapRemove("a.qcow2", ODD_NAME);
        assertThat(bytes.bitmapCount()).isEqualTo(1);
        qemuImg.assertClean("a.qcow2");
    }

    @Test
    void mergesFromAnotherImage() {
        qemuImg.create("other.qcow2", "1M");
        qemuImg.bitmapAdd("other.qcow2", ODD_NAME, 65536, true);
        QemuIo.run(folder.resolve("other.qcow2"), "discard 64k 64k");
        qemuImg.bitmapAdd("a.qcow2", "b", 0, true);
        qemuImg.bitmapMerge("a.qcow2", "b".getBytes(ISO_8859_1), "other.qcow2", ODD_NAME);
        assertThat(NbdMap.dirty(bytes.file(), "b")).containsExactly(new Range(65536, 65536, true));
    }

    @Test
    void tellsLeaksFromErrors() {
        qemuImg.bitmapAdd("a.qcow2", "b", 0, true);
        bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        assertThat(qemuImg.check("a.qcow2").leaks()).isEqualTo(2);
        assertThatThrownBy(() -> qemuImg.assertClean("a.qcow2")).isInstanceOf(AssertionError.class);
        qemuImg.checkRepairing("a.qcow2", "leaks");
        qemuImg.assertClean("a.qcow2");
        assertThat(bytes.hasBitmaps()).isFalse();
    }

    @Test
    void saysWhyAnImageDoesNotOpen() {
        assertThat(qemuImg.opens("a.qcow2").opens()).isTrue();
        qemuImg.bitmapAdd("a.qcow2", "b", 0, true);
        bytes.u32(bytes.directoryEntry(0) + 12, 4);
        assertThat(qemuImg.opens("a.qcow2").opens()).isFalse();
        assertThat(qemuImg.opens("a.qcow2").stderr()).contains("doesn't satisfy the constraints");
        assertThat(qemuImg.check("a.qcow2").exitCode()).isEqualTo(1);
    }

    @Test
    void failsWhereQemuLosesABitmapAndStillEndsWithZero() {
        qemuImg.create("empty.qcow2", "0");
        assertThatThrownBy(() -> qemuImg.bitmapAdd("empty.qcow2", "b", 0, true))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("Lost persistent bitmaps");
    }
}
