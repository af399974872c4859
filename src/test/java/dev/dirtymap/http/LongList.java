package dev.dirtymap.http;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;

/// A disk of 1 TiB of which every other granule of 64 KiB is dirty, which makes eight million extents: far more
/// than fit into all the buffers between the service and a client that does not read.
final class LongList {

    static final String FILE = "disk.qcow2";
    static final long GRANULARITY = 65536;

    /// How far apart the extents begin.
    static final long DISTANCE = 2 * GRANULARITY;

    static final long EXTENTS = (1L << 40) / DISTANCE;

    private static final int CLUSTER = 65536;

    private LongList() {}

    /// Makes the image, with one bitmap `a`.
    static void create(Path folder) {
        QemuImg qemuImg = new QemuImg(folder);
        qemuImg.create(FILE, "1T");
        qemuImg.bitmapAdd(FILE, "a", GRANULARITY, true);
        int clusters = (int) ((1L << 40) / GRANULARITY / 8 / CLUSTER);
        // One bit in each cluster of them makes QEMU write it out.
        QemuIo.run(
                folder.resolve(FILE),
                IntStream.range(0, clusters)
                        .mapToObj(i -> "discard %dG 64k".formatted(i * 1024L / clusters))
                        .toArray(String[]::new));
        ImageBytes bytes = new ImageBytes(folder.resolve(FILE));
        byte[] pattern = new byte[CLUSTER];
        Arrays.fill(pattern, (byte) 0x55);
        for (int i = 0; i < clusters; i++) {
            bytes.write(bytes.u64(bytes.bitmapTable(0) + i * 8L) & 0x00fffffffffffe00L, pattern);
        }
    }
}
