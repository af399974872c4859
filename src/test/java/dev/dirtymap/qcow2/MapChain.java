package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.SparseFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// An image with all its backing files open, and its map as we and as QEMU tell it.
record MapChain(Path image, List<MapLayer> layers, List<SparseFile> files)
        implements AutoCloseable {

    private static final int ROUNDS = 5;

    /// One line of `qemu-img map --output=json` of QEMU 7.2.
    ///
    /// @param offset -1 if the line has none
    record Row(
            long start,
            long length,
            int depth,
            boolean present,
            boolean zero,
            boolean data,
            long offset) {

        private boolean continuedBy(Row next) {
            return depth == next.depth
                    && present == next.present
                    && zero == next.zero
                    && data == next.data
                    && (offset < 0 ? next.offset < 0 : next.offset == offset + length);
        }
    }

    /// Opens what the images name, relative to the folder of the first one.
    static MapChain open(Path image) throws IOException {
        MapChain chain = new MapChain(image, new ArrayList<>(), new ArrayList<>());
        try {
            @Nullable Path next = image;
            while (next != null) {
                next = chain.add(next);
            }
            return chain;
        } catch (IOException | RuntimeException e) {
            chain.close();
            throw e;
        }
    }

    private @Nullable Path add(Path path) throws IOException {
        SparseFile file = SparseFile.open(path);
        files.add(file);
        Image opened = Image.open(file, false).orElse(null);
        if (opened == null || (!layers.isEmpty() && "raw".equals(format(layers.getLast())))) {
            layers.add(new MapLayer.Raw(file));
            return null;
        }
        Path folder = Objects.requireNonNull(path.toAbsolutePath().getParent());
        String data = opened.dataFile();
        if (opened.header().has(Feature.DATA_FILE) && data != null) {
            SparseFile dataFile = SparseFile.open(folder.resolve(data));
            files.add(dataFile);
            layers.add(new MapLayer.Qcow2(opened, file, dataFile));
        } else {
            layers.add(new MapLayer.Qcow2(opened, file));
        }
        String backing = opened.backingFile();
        return backing == null ? null : folder.resolve(backing);
    }

    private static @Nullable String format(MapLayer layer) {
        return layer instanceof MapLayer.Qcow2 qcow2 ? qcow2.image().backingFormat() : null;
    }

    MapReader reader() throws IOException {
        return MapReader.ofChain(layers);
    }

    /// All runs from one place to another, with all the time in the world for each piece.
    List<MapExtent> scan(long from, long to) throws IOException {
        return scan(source(reader(), 1L << 60), from, to);
    }

    /// What a service does under its locks.
    ///
    /// @param nanos the time for each step
    static MapScanner.MapSource source(MapReader reader, long nanos) {
        return (offset, piece) -> {
            if (!reader.readKnown(offset, piece)) {
                reader.read(piece, System.nanoTime() + nanos);
            }
        };
    }

    static List<MapExtent> scan(MapScanner.MapSource source, long from, long to)
            throws IOException {
        return all(new MapScanner(source, from, to));
    }

    static List<MapExtent> all(MapScanner scanner) throws IOException {
        List<MapExtent> extents = new ArrayList<>();
        for (MapExtent next = scanner.next(); next != null; next = scanner.next()) {
            extents.add(next);
        }
        return extents;
    }

    List<MapExtent> scan() throws IOException {
        return scan(0, reader().virtualSize());
    }

    /// Our runs in QEMU's words; 7.2 does not tell compressed data from other data without a place.
    static List<Row> rows(List<MapExtent> extents) {
        List<Row> rows = new ArrayList<>();
        for (MapExtent extent : extents) {
            Row row =
                    new Row(
                            extent.offset(),
                            extent.length(),
                            extent.depth(),
                            extent.allocation() != Allocation.UNALLOCATED,
                            extent.zero(),
                            extent.allocation() == Allocation.DATA,
                            extent.hostOffset());
            Row last = rows.isEmpty() ? null : rows.getLast();
            if (last != null && last.continuedBy(row)) {
                Row joined =
                        new Row(
                                last.start,
                                last.length + row.length,
                                last.depth,
                                last.present,
                                last.zero,
                                last.data,
                                last.offset);
                rows.set(rows.size() - 1, joined);
            } else {
                rows.add(row);
            }
        }
        return rows;
    }

    /// Compares the whole map. Where a file system has room without content, whether that is a hole depends on
    /// which pages are in memory, and reading the file changes that: so it is compared again where it differs.
    void assertSameAsQemu() throws IOException {
        for (int tries = 1; ; tries++) {
            List<Row> ours = rows(scan());
            List<Row> qemus = rowsOfQemu();
            if (ours.equals(qemus) || tries == ROUNDS) {
                assertThat(ours).isEqualTo(qemus);
                return;
            }
        }
    }

    List<Row> rowsOfQemu() {
        Path folder = Objects.requireNonNull(image.toAbsolutePath().getParent());
        List<Row> rows = new ArrayList<>();
        for (JsonNode line : new QemuImg(folder).map(image.getFileName().toString())) {
            if (line.get("length").asLong() == 0) {
                // All that QEMU has to say of a disk of no bytes.
                continue;
            }
            rows.add(
                    new Row(
                            line.get("start").asLong(),
                            line.get("length").asLong(),
                            line.get("depth").asInt(),
                            line.get("present").asBoolean(),
                            line.get("zero").asBoolean(),
                            line.get("data").asBoolean(),
                            line.path("offset").asLong(-1)));
        }
        return rows;
    }

    @Override
    public void close() {
        files.forEach(SparseFile::close);
    }
}
