package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.testimages.NbdMap;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// We write, QEMU judges, and our own reader agrees.
class NewImageTest {

    @TempDir private Path folder;

    static IntStream clusterSizes() {
        return IntStream.rangeClosed(9, 21).map(bits -> 1 << bits);
    }

    @ParameterizedTest(name = "clusters of {0} bytes, seed {0}")
    @MethodSource("clusterSizes")
    void qemuReadsWhatWasWritten(int clusterSize) throws IOException {
        var random = new Random(clusterSize);
        // An odd number of sectors; enough bits for several clusters of data where clusters are
        // small.
        long size = (random.nextLong(1 << 13) * 2 + (1 << 14) + 1) * 512;
        List<List<Extent>> dirty =
                List.of(
                        granules(size, 512, random),
                        granules(size, 4096, random),
                        granules(size, 65536, random),
                        granules(size, 1L << 31, random),
                        List.of());
        var names = List.of("fine", "ä ö", "n".repeat(1023), "coarse", "empty");
        Path path = folder.resolve("new.qcow2");
        write(
                new NewImage(size, clusterSize)
                        .bitmap(names.get(0), 512, true, dirty.get(0))
                        .bitmap(names.get(1), 4096, false, dirty.get(1))
                        .bitmap(names.get(2), 65536, true, dirty.get(2))
                        .bitmap(names.get(3), 1L << 31, false, dirty.get(3))
                        .bitmap(names.get(4), 512, true, dirty.get(4)),
                path);

        var qemuImg = new QemuImg(folder);
        qemuImg.assertClean("new.qcow2");
        JsonNode info = qemuImg.info("new.qcow2");
        assertThat(info.at("/virtual-size").asLong()).isEqualTo(size);
        assertThat(info.at("/cluster-size").asLong()).isEqualTo(clusterSize);
        assertThat(bitmapsOf(info))
                .containsExactly(
                        names.get(0) + " 512 [\"auto\"]",
                        names.get(1) + " 4096 []",
                        names.get(2) + " 65536 [\"auto\"]",
                        names.get(3) + " 2147483648 []",
                        names.get(4) + " 512 [\"auto\"]");
        assertThat(NbdMap.dirty(path, names.stream().map(name -> name.getBytes(UTF_8)).toList()))
                .isEqualTo(dirty.stream().map(NewImageTest::ranges).toList());
        try (FileChannel channel = FileChannel.open(path)) {
            ImageFile file = ImageFile.of(channel);
            Image image = Image.open(file, false).orElseThrow();
            for (int i = 0; i < names.size(); i++) {
                Bitmap bitmap = image.bitmaps().get(i);
                assertThat(bitmap.state()).isEqualTo(BitmapState.CONSISTENT);
                assertThat(Names.text(bitmap.name())).isEqualTo(names.get(i));
                assertThat(image.bitmaps().find(bitmap.name())).isEqualTo(i);
                assertThat(Extents.dirty(file, bitmap)).isEqualTo(dirty.get(i));
            }
        }
    }

    /// Random extents of whole granules, none next to another, clipped to the disk; never none.
    private static List<Extent> granules(long size, long granularity, Random random) {
        List<Extent> extents = new ArrayList<>();
        long granules = (size + granularity - 1) / granularity;
        for (long at = random.nextLong(granules); at < granules; ) {
            long next = Math.min(granules, at + 1 + random.nextLong(granules / 5 + 1));
            long start = at * granularity;
            extents.add(new Extent(start, Math.min(size, next * granularity) - start, true));
            at = next + 1 + random.nextLong(granules / 5 + 1);
        }
        return extents;
    }

    private static List<Range> ranges(List<Extent> extents) {
        return extents.stream().map(e -> new Range(e.offset(), e.length(), e.dirty())).toList();
    }

    private static Stream<String> bitmapsOf(JsonNode info) {
        return info.at("/format-specific/data/bitmaps")
                .valueStream()
                .map(bitmap ->
                        "%s %d %s"
                                .formatted(
                                        bitmap.get("name").asString(),
                                        bitmap.get("granularity").asLong(),
                                        bitmap.get("flags")));
    }

    @Test
    void marksEveryGranuleThatADirtyExtentTouches() throws IOException {
        Path path = folder.resolve("new.qcow2");
        write(
                new NewImage(1 << 20, 65536)
                        .bitmap(
                                "a",
                                65536,
                                true,
                                List.of(
                                        new Extent(65535, 2, true),
                                        new Extent(131072, 65536, false),
                                        new Extent((1 << 20) - 1, 1, true))),
                path);

        assertThat(NbdMap.dirty(path, "a"))
                .containsExactly(
                        new Range(0, 131072, true), new Range((1 << 20) - 65536, 65536, true));
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 65536, 2 << 20})
    void anImageWithoutBitmapsIsSound(int clusterSize) throws IOException {
        for (long size : new long[] {0, 512, 1 << 20}) {
            Path path = folder.resolve("new-" + size + ".qcow2");
            write(new NewImage(size, clusterSize), path);

            new QemuImg(folder).assertClean(path.getFileName().toString());
            assertThat(RuleImages.opensInQemu(path)).isTrue();
            try (FileChannel channel = FileChannel.open(path)) {
                Image image = Image.open(ImageFile.of(channel), false).orElseThrow();
                assertThat(image.header().virtualSize()).isEqualTo(size);
                assertThat(image.bitmaps().summary().state()).isEqualTo(BitmapsState.NONE);
            }
        }
    }

    @Test
    void refusesSizesThatNoImageHas() {
        assertRefused(() -> new NewImage(-512, 65536), "virtualSize must be");
        assertRefused(() -> new NewImage(513, 65536), "virtualSize must be");
        assertRefused(() -> new NewImage((4194304L << 15) + 512, 512), "virtualSize must be");
        assertRefused(() -> new NewImage(512, 256), "clusterSize must be");
        assertRefused(() -> new NewImage(512, 4 << 20), "clusterSize must be");
        assertRefused(() -> new NewImage(512, 66000), "clusterSize must be");
        assertRefused(() -> new NewImage(512, 0), "clusterSize must be");
        assertRefused(() -> new NewImage(512, Integer.MIN_VALUE), "clusterSize must be");
    }

    @Test
    void refusesBitmapsThatQemuRefuses() {
        var image = new NewImage(1 << 20, 65536).bitmap("taken", 512, true, List.of());

        assertRefused(() -> image.bitmap("a", 256, true, List.of()), "granularity must be");
        assertRefused(() -> image.bitmap("a", 1L << 32, true, List.of()), "granularity must be");
        assertRefused(() -> image.bitmap("a", 1000, true, List.of()), "granularity must be");
        assertRefused(() -> image.bitmap("", 512, true, List.of()), "name must be");
        assertRefused(() -> image.bitmap("n".repeat(1024), 512, true, List.of()), "name must be");
        assertRefused(() -> image.bitmap("ä".repeat(512), 512, true, List.of()), "name must be");
        assertRefused(() -> image.bitmap("a\0b", 512, true, List.of()), "name must be");
        assertRefused(() -> image.bitmap("taken", 512, true, List.of()), "name must be");
        assertRefused(
                () -> image.bitmap("a", 512, true, List.of(new Extent((1 << 20) - 1, 2, true))),
                "dirty extents must be");
        assertRefused(
                () -> image.bitmap("a", 512, true, List.of(new Extent(-1, 2, true))),
                "dirty extents must be");
        // QEMU has no bitmaps on a disk of no size, and none with more than 512 MiB of bits.
        assertRefused(
                () -> new NewImage(0, 65536).bitmap("a", 512, true, List.of()),
                "granularity must be");
        assertRefused(
                () -> new NewImage((1L << 41) + 512, 65536).bitmap("a", 512, true, List.of()),
                "granularity must be");
    }

    private static void assertRefused(Runnable making, String sentence) {
        assertThatThrownBy(making::run)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(sentence);
    }

    private static void write(NewImage image, Path path) throws IOException {
        try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            image.writeTo(channel);
        }
    }
}
