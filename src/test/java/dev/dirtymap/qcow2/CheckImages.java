package dev.dirtymap.qcow2;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// Sound images with every structure that refers to clusters, to be damaged.
///
/// Each has two bitmaps with data, but for those of LUKS.
///
/// @param folder where they are
record CheckImages(Path folder) {

    /// How an image is made.
    ///
    /// @param options of `qemu-img create`
    record Shape(int clusterSize, int refcountBits, Kind kind, List<String> options) {

        /// What is special about it.
        enum Kind {
            PLAIN,
            SNAPSHOTS,
            COMPRESSED,
            EXTENDED_L2,
            DATA_FILE,
            LUKS
        }

        static Shape plain(int clusterSize, int refcountBits) {
            return new Shape(clusterSize, refcountBits, Kind.PLAIN, List.of());
        }

        @Override
        public String toString() {
            return "%s-cluster-%d-refcount-%d".formatted(kind, clusterSize, refcountBits);
        }
    }

    static Stream<Shape> shapes() {
        List<Shape> shapes = new ArrayList<>();
        for (int bits = 1; bits <= 64; bits *= 2) {
            shapes.add(Shape.plain(4096, bits));
        }
        shapes.add(Shape.plain(512, 16));
        shapes.add(Shape.plain(512, 1));
        shapes.add(Shape.plain(65536, 16));
        shapes.add(Shape.plain(65536, 64));
        shapes.add(Shape.plain(2 << 20, 16));
        shapes.add(Shape.plain(2 << 20, 2));
        shapes.add(new Shape(4096, 16, Shape.Kind.SNAPSHOTS, List.of()));
        shapes.add(new Shape(512, 8, Shape.Kind.SNAPSHOTS, List.of()));
        shapes.add(new Shape(4096, 16, Shape.Kind.COMPRESSED, List.of()));
        shapes.add(new Shape(65536, 4, Shape.Kind.COMPRESSED, List.of("compression_type=zstd")));
        shapes.add(new Shape(16384, 16, Shape.Kind.EXTENDED_L2, List.of("extended_l2=on")));
        shapes.add(new Shape(65536, 16, Shape.Kind.DATA_FILE, List.of("data_file=data.raw")));
        shapes.add(new Shape(4096, 16, Shape.Kind.LUKS, List.of()));
        return shapes.stream();
    }

    /// Makes an image.
    ImageBytes make(Shape shape) {
        var qemuImg = new QemuImg(folder);
        String file = shape + ".qcow2";
        Path path = folder.resolve(file);
        List<String> options = new ArrayList<>(shape.options());
        options.add("cluster_size=" + shape.clusterSize());
        options.add("refcount_bits=" + shape.refcountBits());
        String size = Integer.toString(Math.max(1 << 20, 4 * shape.clusterSize()));
        String[] words = options.toArray(String[]::new);
        if (shape.kind() == Shape.Kind.LUKS) {
            qemuImg.createEncrypted(file, size, words);
        } else {
            qemuImg.create(file, size, words);
        }
        String two = Integer.toString(2 * shape.clusterSize());
        List<String> commands = new ArrayList<>(List.of("write -P 1 0 " + two));
        String last = Integer.toString(3 * shape.clusterSize());
        switch (shape.kind()) {
            case COMPRESSED -> {
                for (int i = 3; i < 8; i++) {
                    commands.add(
                            "write -c -P %d %d %d"
                                    .formatted(i, i * shape.clusterSize(), shape.clusterSize()));
                }
            }
            case SNAPSHOTS -> {
                QemuIo.run(path, "write -P 3 0 " + two);
                qemuImg.run("snapshot", "-c", "first", file);
                commands.set(0, "write -P 1 0 512");
            }
            case PLAIN, EXTENDED_L2, DATA_FILE, LUKS ->
                    commands.add("write -z %s 512".formatted(last));
        }
        if (shape.kind() != Shape.Kind.LUKS) {
            qemuImg.bitmapAdd(file, "a", 512, true);
            qemuImg.bitmapAdd(file, "b", 4096, true);
        }
        QemuIo.run(path, commands.toArray(String[]::new));
        return new ImageBytes(path);
    }

    /// A copy to be damaged.
    ImageBytes copy(ImageBytes original) {
        try {
            Path copy = folder.resolve("damaged.qcow2");
            Files.deleteIfExists(copy);
            return ImageBytes.copy(original.file(), copy);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
