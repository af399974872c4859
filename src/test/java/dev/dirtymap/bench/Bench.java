package dev.dirtymap.bench;

import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// What all cases share: the folder with the images, the service over it, and the rows so far.
///
/// @param folder that is served
/// @param quick whether this is a trial with small disks and few runs, whose figures mean nothing
record Bench(Path folder, Service service, boolean quick, List<Row> rows) {

    static final String NDJSON = "application/x-ndjson";
    static final long GRANULE = 1 << 16;

    Bench(Path folder, Service service, boolean quick) {
        this(folder, service, quick, new ArrayList<>());
    }

    /// A step of a case, which takes some seconds.
    @FunctionalInterface
    interface Step {
        double seconds() throws IOException, InterruptedException;
    }

    /// Counted runs of what takes long.
    int longRuns() {
        return quick ? 1 : 3;
    }

    /// Counted runs of what takes a moment.
    int shortRuns() {
        return quick ? 3 : 7;
    }

    /// 1 TiB, or in a trial a 64th of it.
    long tebibytes(long count) {
        return count << (quick ? 34 : 40);
    }

    /// Granules of a disk of 1 TiB.
    long granules() {
        return tebibytes(1) / GRANULE;
    }

    /// Runs ours and theirs by turns.
    ///
    /// @param count how often each
    void alternate(int count, Step ours, Runs ourRuns, Step theirs, Runs theirRuns)
            throws IOException, InterruptedException {
        for (int run = 0; run < count; run++) {
            ourRuns.add(ours.seconds());
            theirRuns.add(theirs.seconds());
        }
    }

    void add(Row row) {
        rows.add(row);
        System.err.print("  " + row.markdown());
    }

    String url(String path) {
        return service.url(path);
    }

    static String bitmap(String disk) {
        return "/v1/images/%s.qcow2/bitmaps/b".formatted(disk);
    }

    static String extents(String disk) {
        return bitmap(disk) + "/extents";
    }

    /// Creates a disk with one bitmap `b` in granules of 64 KiB.
    void create(String disk, long size, byte[] bits) throws IOException, InterruptedException {
        new QemuImg(folder).create(disk + ".qcow2", Long.toString(size));
        addBitmap(disk, "b", bits);
    }

    void addBitmap(String disk, String name, byte[] bits) throws IOException, InterruptedException {
        new QemuImg(folder).bitmapAdd(disk + ".qcow2", name, GRANULE, true);
        service.send(
                "PUT",
                "/v1/images/%s.qcow2/bitmaps/%s/bits".formatted(disk, name),
                "application/octet-stream",
                bits);
    }

    /// Demands that our list of dirty extents and that of `nbdinfo` are the same, and thereby warms both.
    Listed requireSame(String disk, Peer peer) throws IOException, InterruptedException {
        Listed ours = Curl.read(Listed::of, url(extents(disk)), NDJSON);
        ours.requireSame(peer.listed(), disk);
        return ours;
    }
}
