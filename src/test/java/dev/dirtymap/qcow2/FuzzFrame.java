package dev.dirtymap.qcow2;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/// A sound image with areas that a fuzzer fills: it spends its time where a target looks, and everything around is right.
///
/// @param image the whole file, of a few KiB
/// @param areas one behind the other in what the fuzzer gives
record FuzzFrame(byte[] image, List<Area> areas) {

    private static final long OFFSET = 0x00fffffffffffe00L;

    /// Some bytes of a file.
    record Area(long offset, long length) {

        private Area within(long end) {
            return new Area(offset, Math.min(length, end - offset));
        }
    }

    /// The places of the structures of one image.
    enum Part {
        HEADER,
        DIRECTORY,
        BITMAP_TABLES,
        GUEST_TABLES,
        SNAPSHOTS,
        REFCOUNTS
    }

    /// Images of every kind that has structures of its own, in clusters as small as they may be.
    static List<byte[]> images() {
        try {
            Path folder = Files.createTempDirectory("fuzz");
            try {
                var qemuImg = new QemuImg(folder);
                qemuImg.create("plain", "64k", "cluster_size=512");
                qemuImg.create("old", "64k", "cluster_size=512", "compat=0.10");
                qemuImg.create("narrow", "64k", "cluster_size=512", "refcount_bits=1");
                qemuImg.create("wide", "64k", "cluster_size=1k", "refcount_bits=64");
                qemuImg.create("zstd", "64k", "cluster_size=1k", "compression_type=zstd");
                qemuImg.create("extended", "64k", "cluster_size=16k", "extended_l2=on");
                for (String name : List.of("plain", "narrow", "wide", "zstd", "extended")) {
                    qemuImg.bitmapAdd(name, "a", 512, true);
                    qemuImg.bitmapAdd(name, "second", 4096, false);
                    QemuIo.run(
                            folder.resolve(name),
                            "write -P 1 0 1k",
                            "write -c -P 2 16k 16k",
                            "write -z 48k 1k");
                }
                QemuIo.run(folder.resolve("old"), "write -P 1 0 1k");
                qemuImg.run("snapshot", "-c", "before", "plain");
                QemuIo.run(folder.resolve("plain"), "write -P 3 512 512", "write 40k 512");
                return Stream.of("plain", "narrow", "wide", "zstd", "old", "extended")
                        .map(folder::resolve)
                        .map(FuzzFrame::bytes)
                        .toList();
            } finally {
                delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    /// The frame around one part of an image of version 3 with bitmaps.
    static FuzzFrame of(byte[] image, Part part) {
        try {
            Path file = Files.createTempFile("frame", ".qcow2");
            try {
                Files.write(file, image);
                return new FuzzFrame(
                        image,
                        areas(new ImageBytes(file), part).stream()
                                .map(area -> area.within(image.length))
                                .toList());
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Area> areas(ImageBytes bytes, Part part) {
        long cluster = bytes.clusterSize();
        long l1 = bytes.u64(40);
        return switch (part) {
            case HEADER -> List.of(new Area(0, 512));
            case DIRECTORY ->
                    List.of(
                            new Area(bytes.bitmapsPayload(), 24),
                            new Area(bytes.directoryOffset(), Math.min(512, cluster)));
            case BITMAP_TABLES ->
                    List.of(
                            new Area(bytes.bitmapTable(0), 32),
                            new Area(bytes.bitmapTable(1), 32),
                            new Area(bytes.u64(bytes.bitmapTable(0)) & OFFSET, 64));
            case GUEST_TABLES ->
                    List.of(
                            new Area(24, 24),
                            new Area(l1, 32),
                            new Area(bytes.u64(l1) & OFFSET, Math.min(512, cluster)));
            case SNAPSHOTS -> List.of(new Area(60, 12), new Area(bytes.u64(64), 128));
            case REFCOUNTS ->
                    List.of(
                            new Area(48, 12),
                            new Area(bytes.u64(48), 64),
                            new Area(bytes.u64(bytes.u64(48)), Math.min(512, cluster)));
        };
    }

    /// What the areas hold in the sound image.
    byte[] seed() {
        byte[] seed = new byte[areas.stream().mapToInt(area -> (int) area.length()).sum()];
        int at = 0;
        for (Area area : areas) {
            System.arraycopy(image, (int) area.offset(), seed, at, (int) area.length());
            at += (int) area.length();
        }
        return seed;
    }

    /// The image with its areas filled. Where the filling is too short they stay as they are.
    byte[] filled(byte[] filling) {
        byte[] filled = image.clone();
        int at = 0;
        for (Area area : areas) {
            int count = (int) Math.min(area.length(), filling.length - at);
            System.arraycopy(filling, at, filled, (int) area.offset(), count);
            at += count;
        }
        return filled;
    }

    /// The first bytes, if there are more.
    static byte[] cut(byte[] bytes, int most) {
        return bytes.length > most ? Arrays.copyOf(bytes, most) : bytes;
    }
}
