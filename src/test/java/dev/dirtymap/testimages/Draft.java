package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// An image of the corpus while it is made: what a recipe does to it, and which bitmaps it should then hold.
///
/// All chance comes from the case's name, so each build gives the same bitmaps.
final class Draft {

    static final String FILE = "disk.qcow2";

    private static final int SECTOR = 512;

    private final Path folder;
    private final QemuImg qemuImg;
    private final Random random;
    private final List<BitmapSpec> bitmaps = new ArrayList<>();

    Draft(String name, Path folder) {
        this.folder = folder;
        this.qemuImg = new QemuImg(folder);
        this.random = new Random(name.hashCode());
    }

    Path image() {
        return folder.resolve(FILE);
    }

    QemuImg qemuImg() {
        return qemuImg;
    }

    ImageBytes bytes() {
        return new ImageBytes(image());
    }

    List<BitmapSpec> bitmaps() {
        return List.copyOf(bitmaps);
    }

    Draft create(long size, String... options) {
        qemuImg.create(FILE, Long.toString(size), options);
        return this;
    }

    /// Creates the image as an overlay of a backing file in the same folder.
    Draft createOver(String backingFile, String format, long size, String... options) {
        qemuImg.create(
                FILE, Long.toString(size), List.of("-b", backingFile, "-F", format), options);
        return this;
    }

    /// Adds enabled bitmaps, named after their granularity in bytes (`g65536`).
    Draft add(long... granularities) {
        List<BitmapSpec> specs = new ArrayList<>();
        for (long granularity : granularities) {
            specs.add(BitmapSpec.of("g" + granularity, granularity, true));
        }
        return addAll(specs);
    }

    Draft add(String name, long granularity, boolean enabled) {
        return add(name.getBytes(UTF_8), granularity, enabled);
    }

    Draft add(byte[] name, long granularity, boolean enabled) {
        qemuImg.bitmapAdd(FILE, name, granularity, enabled);
        bitmaps.add(BitmapSpec.of(name, granularity, enabled));
        return this;
    }

    /// Adds bitmaps whose names are UTF-8, all in one process: each `qemu-img` call would rewrite all earlier ones.
    Draft addAll(List<BitmapSpec> specs) {
        try (var daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", FILE, false);
            // QEMU appends the bitmaps of one session to the directory with the newest first.
            for (BitmapSpec spec : specs.reversed()) {
                daemon.addBitmap(
                        "disk", new String(spec.name(), UTF_8), spec.granularity(), spec.enabled());
            }
        }
        bitmaps.addAll(specs);
        return this;
    }

    /// Disables every n-th bitmap, so that it keeps what it has recorded and records no more.
    Draft disableEvery(int n) {
        try (var daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", FILE, false);
            for (int i = n - 1; i < bitmaps.size(); i += n) {
                BitmapSpec spec = bitmaps.get(i);
                daemon.bitmapAction("disable", "disk", new String(spec.name(), UTF_8));
                bitmaps.set(i, spec.enabled(false));
            }
        }
        return this;
    }

    /// All bitmaps so far are in this state from now on.
    Draft mark(BitmapSpec.State state) {
        bitmaps.replaceAll(bitmap -> bitmap.in(state));
        return this;
    }

    /// A writer opens the image and dies.
    Draft killWriter() {
        try (var daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", FILE, false);
            daemon.kill();
        }
        return mark(BitmapSpec.State.INCONSISTENT);
    }

    Draft io(String... commands) {
        QemuIo.run(image(), commands);
        return this;
    }

    Draft io(List<String> commands) {
        return io(commands.toArray(String[]::new));
    }

    /// Dirties the first and the last sector and some ranges between: a few real writes, mostly discards, which make
    /// dirty what they touch and cost no space.
    Draft scatter(int count) {
        long sectors = bytes().u64(24) / SECTOR;
        List<String> commands = new ArrayList<>();
        commands.add("write -P 1 0 1");
        commands.add("discard %d %d".formatted((sectors - 1) * SECTOR, SECTOR));
        for (int i = 0; i < count; i++) {
            // Short ranges are the common ones; lengths spread evenly over the powers of two.
            long length = random.nextLong(1L << (1 + random.nextInt(9))) + 1;
            long start = random.nextLong(Math.max(1, sectors - length));
            length = Math.min(length, sectors - start);
            String action = i % 16 == 0 ? "write -z" : "discard";
            commands.add("%s %d %d".formatted(action, start * SECTOR, length * SECTOR));
        }
        return io(commands);
    }
}
