package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NbdMapTest {

    @TempDir private Path folder;

    private QemuImg qemuImg = new QemuImg(Path.of("."));

    @BeforeEach
    void inFolder() {
        qemuImg = new QemuImg(folder);
    }

    @Test
    void givesTheExtentsThatWereWritten() {
        Path image = qemuImg.create("a.qcow2", "10M");
        qemuImg.bitmapAdd("a.qcow2", "fine", 4096, true);
        qemuImg.bitmapAdd("a.qcow2", "coarse", 1 << 20, true);
        qemuImg.bitmapAdd("a.qcow2", "off", 0, false);
        QemuIo.run(image, "write -P 1 5000 1", "discard 2M 2M", "write -z 4M 64k");

        assertThat(NbdMap.read(image, "fine"))
                .containsExactly(
                        new Range(0, 4096, false),
                        new Range(4096, 4096, true),
                        new Range(8192, (2 << 20) - 8192, false),
                        new Range(2 << 20, (2 << 20) + 65536, true),
                        new Range((4 << 20) + 65536, (6 << 20) - 65536, false));
        assertThat(NbdMap.dirty(image, List.of("coarse".getBytes(UTF_8), "off".getBytes(UTF_8))))
                .containsExactly(
                        List.of(new Range(0, 1 << 20, true), new Range(2 << 20, 3 << 20, true)),
                        List.of());
        qemuImg.assertClean("a.qcow2");
    }

    @Test
    void passesAnyNameThatQemuStores() {
        Path image = qemuImg.create("a.qcow2", "10M");
        List<byte[]> names = new ArrayList<>();
        for (String name :
                List.of(
                        "a,b",
                        "a=b",
                        "q\"u'o",
                        "sp ace",
                        "new\nline",
                        "\u00ff\u00fe",
                        "-dash",
                        "--",
                        "%41",
                        "$(id)",
                        "qemu:dirty-bitmap:x",
                        "a,,b",
                        "x".repeat(1023),
                        "\u00e9".repeat(1023))) {
            names.add(name.getBytes(ISO_8859_1));
        }
        for (int i = 0; i < names.size(); i++) {
            qemuImg.bitmapAdd("a.qcow2", names.get(i), 65536, true);
            QemuIo.run(image, "discard " + (i << 16) + " 64k");
            qemuImg.bitmapDisable("a.qcow2", names.get(i));
        }

        List<List<Range>> maps = NbdMap.dirty(image, names);

        for (int i = 0; i < names.size(); i++) {
            assertThat(maps.get(i)).containsExactly(new Range((long) i << 16, 65536, true));
        }
    }

    @Test
    void saysWhatQemuSaysWhenThereIsNoSuchBitmap() {
        Path image = qemuImg.create("a.qcow2", "1M");
        assertThatThrownBy(() -> NbdMap.read(image, "nosuch"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("Bitmap 'nosuch' is not found");
    }

    @Test
    void cannotReadWhatQemuDoesNotTrust() {
        Case image = ImageCorpus.named("in-use").get();
        assertThatThrownBy(() -> NbdMap.read(image.image(), "on"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("Bitmap 'on' is inconsistent and cannot be used");
    }

    @Test
    void readsEncryptedImages() {
        Path image = qemuImg.createEncrypted("a,b.qcow2", "1M");
        qemuImg.bitmapAdd("a,b.qcow2", "b", 65536, true);
        QemuIo.run(image, "write 0 64k");
        assertThat(NbdMap.dirty(image, "b")).containsExactly(new Range(0, 65536, true));
        qemuImg.assertClean("a,b.qcow2");
    }
}
