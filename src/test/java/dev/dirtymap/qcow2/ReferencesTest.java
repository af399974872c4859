package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.CheckImages.Shape;
import dev.dirtymap.qcow2.References.Damage;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The references that a walk gives, one by one.
class ReferencesTest {

    private static final int CLUSTER = 4096;

    @TempDir private Path folder;

    /// Structure, where the reference stands, cluster and how many clusters it touches.
    private static List<String> walk(ImageBytes bytes) throws IOException {
        List<String> found = new ArrayList<>();
        ImageFile file = MemoryImageFile.copyOf(bytes.file());
        Window window = new Window(file, 4096);
        Header header = Header.read(window).orElseThrow();
        References.walk(
                file,
                header,
                HeaderExtensions.read(window, header),
                new References.Visitor() {
                    @Override
                    public void refers(
                            Structure structure,
                            long from,
                            long entry,
                            long hostOffset,
                            long length) {
                        found.add(
                                "%s at %d+%d from %d"
                                        .formatted(structure.text(), hostOffset, length, from));
                    }

                    @Override
                    public void refersOutside(Structure structure, long from, long entry) {
                        found.add("%s outside from %d".formatted(structure.text(), from));
                    }

                    @Override
                    public void broken(
                            Structure structure,
                            long fileOffset,
                            Damage damage,
                            Supplier<String> message) {
                        found.add(damage + " " + message.get());
                    }
                });
        return found;
    }

    @Test
    void everyReferenceOfASmallImage() throws IOException {
        var qemuImg = new QemuImg(folder);
        Path image = qemuImg.create("small", "1M", "cluster_size=4k");
        QemuIo.run(image, "write 0 8k", "write -z 8k 4k");
        qemuImg.run("snapshot", "-c", "one", "small");
        qemuImg.bitmapAdd("small", "bitmap", 512, true);
        QemuIo.run(image, "write 4k 4k", "write -c 16k 4k");

        assertThat(walk(new ImageBytes(image)))
                .containsExactly(
                        "header at 0+4096 from 0",
                        "L1 table at 12288+8 from 40",
                        "L2 table at 45056+4096 from 12288",
                        "guest data at 20480+4096 from 45056",
                        "guest data at 49152+4096 from 45064",
                        // Compressed, within a cluster that has room for more.
                        "guest data at 53248+512 from 45088",
                        "snapshot L1 table at 28672+8 from 32768",
                        "snapshot L2 table at 16384+4096 from 28672",
                        "snapshot data at 20480+4096 from 16384",
                        "snapshot data at 24576+4096 from 16392",
                        "snapshot table at 32768+68 from 64",
                        "refcount table at 4096+4096 from 48",
                        "bitmap directory at 65536+32 from 136",
                        "bitmap table at 61440+8 from 65536",
                        "bitmap data at 57344+4096 from 61440",
                        "refcount block at 8192+4096 from 4096");
    }

    @Test
    void bitmapsAreLeftOutWhereTheirAutoclearBitIsNotSet() throws IOException {
        ImageBytes bytes = new CheckImages(folder).make(Shape.plain(CLUSTER, 16));
        assertThat(walk(bytes)).anyMatch(line -> line.startsWith("bitmap"));

        bytes.u64(ImageBytes.AUTOCLEAR_FEATURES, 0);

        assertThat(walk(bytes)).isNotEmpty().noneMatch(line -> line.startsWith("bitmap"));
    }

    @Test
    void guestDataInAnotherFileIsNoReference() throws IOException {
        Shape shape = new Shape(65536, 16, Shape.Kind.DATA_FILE, List.of("data_file=data.raw"));
        List<String> found = walk(new CheckImages(folder).make(shape));

        assertThat(found)
                .contains("guest data outside from 262144", "guest data outside from 262152")
                .noneMatch(line -> line.startsWith("guest data at"));
    }

    @Test
    void theLuksHeaderIsReferredTo() throws IOException {
        Shape shape = new Shape(CLUSTER, 16, Shape.Kind.LUKS, List.of());
        ImageBytes bytes = new CheckImages(folder).make(shape);
        ImageBytes.Extension luks =
                bytes.extensions().stream()
                        .filter(extension -> extension.id() == HeaderExtension.LUKS)
                        .findFirst()
                        .orElseThrow();
        long from = luks.offset() + 8;

        assertThat(walk(bytes))
                .contains(
                        "LUKS header at %d+%d from %d"
                                .formatted(bytes.u64(from), bytes.u64(from + 8), from));
    }

    @Test
    void aBrokenBitmapLeavesTheReferencesOfTheOther() throws IOException {
        ImageBytes bytes = new CheckImages(folder).make(Shape.plain(CLUSTER, 16));
        long table = bytes.bitmapTable(1);
        List<String> ofTheOther =
                walk(bytes).stream().filter(line -> line.endsWith("from " + table)).toList();
        long entry = bytes.directoryEntry(0);
        bytes.u64(entry, 12345);

        assertThat(walk(bytes))
                .contains(
                        "REFUSED bitmap directory entry: bitmap_table_offset at file offset %d is 12345; it must be a multiple of the cluster size and not 0"
                                .formatted(entry))
                .containsAll(ofTheOther);
        assertThat(ofTheOther).hasSize(1);
    }
}
