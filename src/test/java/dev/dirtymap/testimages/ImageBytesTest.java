package dev.dirtymap.testimages;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageBytesTest {

    @TempDir private Path folder;

    @Test
    void readsAndWritesNumbersOfEachWidth() {
        var bytes = new ImageBytes(folder.resolve("x"));
        bytes.u64(8, 0xfedcba9876543210L).u32(4, 0xfedcba98L).u16(2, 0xfedc).u8(1, 0xfe);
        assertThat(bytes.read(0, 18))
                .asHexString()
                .isEqualTo("00FEFEDCFEDCBA98FEDCBA98765432100000");
        assertThat(bytes.u64(8)).isEqualTo(0xfedcba9876543210L);
        assertThat(bytes.u32(4)).isEqualTo(0xfedcba98L);
        assertThat(bytes.u16(2)).isEqualTo(0xfedc);
        assertThat(bytes.u8(1)).isEqualTo(0xfe);
        assertThat(bytes.setBits64(8, 1).clearBits64(8, 1L << 63).u64(8))
                .isEqualTo(0x7edcba9876543211L);
        assertThat(bytes.truncate(3).length()).isEqualTo(3);
    }

    @Test
    void findsTheBitmapStructures() {
        var qemuImg = new QemuImg(folder);
        var bytes = new ImageBytes(qemuImg.create("a.qcow2", "10G", "cluster_size=4k"));
        for (String name : List.of("a", "longer-name", "c")) {
            qemuImg.bitmapAdd("a.qcow2", name, 65536, true);
        }
        assertThat(bytes.clusterSize()).isEqualTo(4096);
        assertThat(bytes.bitmapsPayload()).isEqualTo(112 + 8);
        assertThat(bytes.bitmapCount()).isEqualTo(3);
        assertThat(bytes.directorySize()).isEqualTo(32 + 40 + 32);
        assertThat(bytes.directoryEntry(2)).isEqualTo(bytes.directoryOffset() + 72);
        assertThat(bytes.bitmapName(1)).asString().isEqualTo("longer-name");
        assertThat(bytes.bitmapTable(2) % 4096).isZero();
        assertThat(bytes.bitmapTableEntries(2)).isEqualTo(5);
    }

    @Test
    void rewritesHeaderExtensions() {
        var qemuImg = new QemuImg(folder);
        qemuImg.create("base.qcow2", "1M");
        var bytes =
                new ImageBytes(
                        qemuImg.create(
                                "a.qcow2", "1M", List.of("-b", "base.qcow2", "-F", "qcow2")));
        List<ImageBytes.Extension> extensions = new ArrayList<>(bytes.extensions());
        assertThat(extensions)
                .extracting(ImageBytes.Extension::id)
                .containsExactly(
                        ImageBytes.BACKING_FORMAT_EXTENSION, ImageBytes.FEATURE_NAMES_EXTENSION);
        extensions.removeLast();
        extensions.add(new ImageBytes.Extension(0, 7, "\u00ff"));
        bytes.extensions(extensions);
        assertThat(bytes.extensions())
                .extracting(ImageBytes.Extension::data)
                .containsExactly("qcow2", "\u00ff");
        assertThat(qemuImg.opens("a.qcow2").stderr()).isEmpty();
        qemuImg.assertClean("a.qcow2");
    }
}
