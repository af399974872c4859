package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Maps of images and chains that were made by chance, against `qemu-img map`; and that neither where a walk starts
/// nor how often it stops makes a difference.
class MapRandomTest {

    private static final String TOP = "top.qcow2";

    /// What the maps of this class had.
    private static final Set<String> SEEN = new TreeSet<>();

    @TempDir private Path folder;

    /// Chance must not have left anything out.
    @AfterAll
    static void everyKindOfRunWasThere() {
        assertThat(SEEN)
                .contains(
                        "DATA at a place",
                        "DATA zero at a place",
                        "DATA",
                        "DATA compressed",
                        "ZERO zero",
                        "ZERO zero at a place",
                        "UNALLOCATED zero",
                        "UNALLOCATED zero at a place");
    }

    @ParameterizedTest
    @CsvSource(
            textBlock =
                    """
                    cluster_size=512
                    cluster_size=1k
                    cluster_size=2k
                    cluster_size=4k
                    cluster_size=8k
                    cluster_size=16k
                    cluster_size=32k
                    cluster_size=64k
                    cluster_size=128k
                    cluster_size=256k
                    cluster_size=512k
                    cluster_size=1M
                    cluster_size=2M
                    compat=0.10
                    extended_l2=on
                    extended_l2=on:cluster_size=16k
                    extended_l2=on:cluster_size=2M
                    extended_l2=on:preallocation=metadata
                    preallocation=metadata
                    preallocation=metadata:cluster_size=4k
                    preallocation=falloc
                    preallocation=full
                    preallocation=full:cluster_size=2M
                    refcount_bits=1:cluster_size=4k
                    refcount_bits=64:preallocation=metadata
                    compression_type=zstd
                    data_file=top.data
                    data_file=top.data:preallocation=metadata
                    data_file=top.data:extended_l2=on
                    data_file=top.data:data_file_raw=on
                    data_file=top.data:data_file_raw=on:cluster_size=4k:preallocation=falloc
                    """)
    void everyKindOfImage(String options) throws IOException {
        Random random = new Random(options.hashCode());
        new QemuImg(folder).create(TOP, "24000k", options.split(":"));
        write(TOP, 24_000, random, 40, !options.contains("data_file"), !options.contains("0.10"));

        compare(random);
    }

    @ParameterizedTest
    @ValueSource(strings = {"4k", "64k"})
    void encryptedImages(String clusterSize) throws IOException {
        Random random = new Random(clusterSize.hashCode());
        new QemuImg(folder).createEncrypted(TOP, "24000k", "cluster_size=" + clusterSize);
        write(TOP, 24_000, random, 40, false, true);

        compare(random);
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void chains(long seed) throws IOException {
        Random random = new Random(seed);
        int layers = 2 + random.nextInt(3);
        String below = "";
        String format = "qcow2";
        for (int i = 0; i < layers; i++) {
            String name = i == layers - 1 ? TOP : "layer" + i + ".qcow2";
            int kib = 2000 + random.nextInt(20_000);
            if (i == 0 && random.nextBoolean()) {
                name = "layer0.raw";
                format = "raw";
                raw(folder.resolve(name), kib * 1024L + random.nextInt(1024), random);
            } else {
                layer(name, kib, below, format, random);
                format = "qcow2";
            }
            below = name;
        }

        compare(random);
    }

    /// A file whose length is no multiple of anything, with holes.
    private static void raw(Path path, long length, Random random) throws IOException {
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
            for (int i = 0; i < 6; i++) {
                byte[] bytes = new byte[1 + random.nextInt(50_000)];
                random.nextBytes(bytes);
                file.seek(random.nextLong(length - bytes.length + 1));
                file.write(bytes);
            }
            file.getFD().sync();
        }
    }

    private void layer(String name, int kib, String below, String format, Random random) {
        List<String> options = new ArrayList<>();
        int clusterBits = 9 + random.nextInt(13);
        options.add("cluster_size=" + (1 << clusterBits));
        boolean extended = clusterBits >= 14 && random.nextBoolean();
        if (extended) {
            options.add("extended_l2=on");
        }
        if (random.nextInt(4) == 0 && (below.isEmpty() || extended)) {
            options.add("preallocation=metadata");
        }
        List<String> backing = below.isEmpty() ? List.of() : List.of("-b", below, "-F", format);
        new QemuImg(folder).create(name, kib + "k", backing, options.toArray(String[]::new));
        write(name, kib, random, 12, true, true);
    }

    private void write(
            String name, int kib, Random random, int count, boolean compressed, boolean zeros) {
        List<String> commands = new ArrayList<>();
        int sectors = kib * 2;
        for (int i = 0; i < count; i++) {
            int length = 1 + random.nextInt(1 << (1 + random.nextInt(12)));
            int start = random.nextInt(Math.max(1, sectors - length));
            length = Math.min(length, sectors - start);
            String what =
                    switch (random.nextInt(8)) {
                        case 0 -> "discard";
                        case 1 -> zeros ? "write -z" : "write";
                        case 2 -> zeros ? "write -z -u" : "write";
                        default -> "write";
                    };
            commands.add(String.format(Locale.ROOT, "%s %d %d", what, start * 512L, length * 512L));
        }
        if (compressed) {
            // A compressed write needs a cluster that was never used, and is refused otherwise.
            QemuIo.run(folder.resolve(name), commands.toArray(String[]::new));
            for (int i = 0; i < 3; i++) {
                long start = (long) random.nextInt(kib / 2048) << 21;
                QemuIo.tryRun(folder.resolve(name), "write -c %d 2M".formatted(start));
            }
        } else {
            QemuIo.run(folder.resolve(name), commands.toArray(String[]::new));
        }
    }

    private void compare(Random random) throws IOException {
        try (MapChain chain = MapChain.open(folder.resolve(TOP))) {
            List<MapExtent> all = chain.scan();
            all.forEach(extent -> SEEN.add(kind(extent)));
            chain.assertSameAsQemu();
            assertThat(steps(chain)).isEqualTo(all);
            long size = chain.reader().virtualSize();
            for (int i = 0; i < 50; i++) {
                long from = random.nextLong(size + 1);
                long to = from + random.nextLong(size - from + 1);
                assertThat(chain.scan(from, to)).isEqualTo(clipped(all, from, to));
            }
        }
    }

    private static String kind(MapExtent extent) {
        return extent.allocation()
                + (extent.zero() ? " zero" : "")
                + (extent.compressed() ? " compressed" : "")
                + (extent.hostOffset() >= 0 ? " at a place" : "");
    }

    /// Without any time, and with pieces that hold two runs.
    private static List<MapExtent> steps(MapChain chain) throws IOException {
        MapReader reader = chain.reader();
        MapScanner scanner = new MapScanner(MapChain.source(reader, 0), 0, reader.virtualSize(), 2);
        return MapChain.all(scanner);
    }

    private static List<MapExtent> clipped(List<MapExtent> all, long from, long to) {
        List<MapExtent> clipped = new ArrayList<>();
        for (MapExtent extent : all) {
            long start = Math.max(from, extent.offset());
            long end = Math.min(to, extent.end());
            if (start < end) {
                clipped.add(
                        new MapExtent(
                                start,
                                end - start,
                                extent.depth(),
                                extent.allocation(),
                                extent.zero(),
                                extent.compressed(),
                                extent.hostOffset() < 0
                                        ? -1
                                        : extent.hostOffset() + start - extent.offset()));
            }
        }
        return clipped;
    }
}
