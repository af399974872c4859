package dev.dirtymap.qcow2;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/// Sound images of a few hundred KiB to be mutated, with what is known of where their parts lie.
///
/// @param folder where they are made
record MutantCorpus(Path folder) {

    /// A part of a file.
    ///
    /// @param start of its first byte
    /// @param end after its last byte
    record Area(long start, long end) {

        boolean contains(long offset) {
            return start <= offset && offset < end;
        }
    }

    /// One image.
    ///
    /// @param header what the image says of itself: header and extensions
    /// @param metadata all areas worth mutating, the header included
    /// @param bitmaps the areas that each bitmap depends on besides the header: entry, table and data
    record Original(
            String name,
            byte[] bytes,
            ImageContent content,
            Area header,
            List<Area> metadata,
            List<List<Area>> bitmaps) {

        @Override
        public String toString() {
            return name;
        }
    }

    List<Original> make() throws IOException {
        var qemuImg = new QemuImg(folder);
        qemuImg.create("plain", "1M");
        qemuImg.create("small", "4M", "cluster_size=512");
        qemuImg.create("narrow", "3M", "cluster_size=1k", "refcount_bits=1");
        qemuImg.create("wide", "3M", "cluster_size=4k", "refcount_bits=64", "lazy_refcounts=on");
        qemuImg.create("extended", "8M", "cluster_size=16k", "extended_l2=on");
        qemuImg.create("zstd", "1M", "cluster_size=2k", "compression_type=zstd");
        qemuImg.create("overlay", "2M", List.of("-b", "plain", "-F", "qcow2"), "cluster_size=8k");
        qemuImg.create("inuse", "1M", "cluster_size=512");
        qemuImg.create("snapshots", "1M", "cluster_size=1k");
        qemuImg.run("snapshot", "-c", "first", "snapshots");
        List<Original> made = new ArrayList<>();
        for (String name :
                List.of(
                        "plain",
                        "small",
                        "narrow",
                        "wide",
                        "extended",
                        "zstd",
                        "overlay",
                        "inuse",
                        "snapshots")) {
            qemuImg.bitmapAdd(name, "first", 512, true);
            qemuImg.bitmapAdd(name, "second bitmap", 4096, true);
            qemuImg.bitmapAdd(name, "3", 65536, false);
            QemuIo.run(folder.resolve(name), "write -P 1 0 1k", "write -P 2 600k 70k");
            if (name.equals("inuse")) {
                var bytes = new ImageBytes(folder.resolve(name));
                bytes.u32(bytes.directoryEntry(1) + 12, 3);
            }
            made.add(examine(name));
        }
        try (FileChannel channel =
                FileChannel.open(
                        folder.resolve("ours"),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE)) {
            new NewImage((5 << 20) + 512, 512)
                    .bitmap("ours", 512, true, List.of(new Extent(1 << 20, 3 << 20, true)))
                    .bitmap("theirs", 1024, true, List.of(new Extent(0, 1, true)))
                    .writeTo(channel);
        }
        made.add(examine("ours"));
        return made;
    }

    private Original examine(String name) throws IOException {
        Path path = folder.resolve(name);
        var bytes = new ImageBytes(path);
        List<Area> metadata = new ArrayList<>();
        var last = bytes.extensions().getLast();
        var header = new Area(0, last.offset() + 8 + ((last.data().length() + 7) & -8) + 8);
        Area directory =
                new Area(bytes.directoryOffset(), bytes.directoryOffset() + bytes.directorySize());
        // Twice what matters more.
        metadata.addAll(List.of(header, header, header, directory, directory));
        metadata.add(new Area(72, 105));
        metadata.add(new Area(bytes.bitmapsPayload() - 8, bytes.bitmapsPayload() + 24));
        metadata.add(new Area(bytes.u64(48), bytes.u64(48) + 64));
        if (bytes.u32(60) > 0) {
            metadata.add(new Area(bytes.u64(64), bytes.u64(64) + 80));
        }
        List<List<Area>> bitmaps = new ArrayList<>();
        for (int i = 0; i < bytes.bitmapCount(); i++) {
            List<Area> areas = new ArrayList<>();
            long table = bytes.bitmapTable(i);
            areas.add(new Area(bytes.directoryEntry(i), bytes.directoryEntry(i + 1)));
            areas.add(new Area(table, table + 8 * bytes.bitmapTableEntries(i)));
            for (int entry = 0; entry < bytes.bitmapTableEntries(i); entry++) {
                long data = bytes.u64(table + 8L * entry);
                if (data > 1) {
                    areas.add(new Area(data, data + bytes.clusterSize()));
                }
            }
            metadata.addAll(areas.subList(0, Math.min(3, areas.size())));
            bitmaps.add(areas);
        }
        MemoryImageFile file = MemoryImageFile.copyOf(path);
        return new Original(name, file.bytes(), ImageContent.read(file), header, metadata, bitmaps);
    }
}
