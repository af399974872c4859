package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// How long the map of 1 TiB takes, ours beside `qemu-img map`: not a test, run by hand.
///
/// The image has every n-th cluster of 64 KiB allocated, each at a place of its own, and no byte of data: its
/// clusters lie behind one another in a hole of the file, which takes 128 MiB of L2 tables on the disk and no
/// more.
final class MapTiming {

    private static final long TIB = 1L << 40;
    private static final int CLUSTER = 1 << 16;
    private static final int L2_ENTRIES = CLUSTER / 8;

    private MapTiming() {}

    /// Makes an image, maps it five times, has QEMU map it, and deletes it.
    ///
    /// @param arguments the folder to work in, and the extents that the map shall have, as in `8388608`
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path image = Path.of(arguments[0], "timing.qcow2");
        long extents = Long.parseLong(arguments[1]);
        write(image, TIB / CLUSTER / extents);
        for (int round = 0; round < 5; round++) {
            ours(image);
        }
        long start = System.nanoTime();
        Process qemu =
                new ProcessBuilder("qemu-img", "map", "--output=json", image.toString())
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start();
        if (qemu.waitFor() != 0) {
            throw new IOException("qemu-img failed");
        }
        say("qemu-img map", start, extents);
        Files.delete(image);
    }

    private static void ours(Path path) throws IOException {
        try (MapChain chain = MapChain.open(path)) {
            long start = System.nanoTime();
            MapReader reader = chain.reader();
            MapScanner scanner =
                    new MapScanner(MapChain.source(reader, 100_000_000), 0, reader.virtualSize());
            long count = 0;
            for (MapExtent next = scanner.next(); next != null; next = scanner.next()) {
                if (count++ == 1000) {
                    say("our first page", start, count);
                }
            }
            say("our map", start, count);
        }
    }

    private static void say(String what, long start, long count) {
        System.out.printf(
                "%-16s %,11d runs %8.3f s%n", what, count, (System.nanoTime() - start) / 1e9);
    }

    /// Header, L1 table, L2 tables, then the data that is not there. Refcounts are not kept: a map asks for none.
    private static void write(Path path, long everyNth) throws IOException {
        int tables = (int) (TIB / CLUSTER / L2_ENTRIES);
        try (FileChannel file =
                FileChannel.open(
                        path,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            ByteBuffer header = ByteBuffer.allocate(CLUSTER);
            header.putInt(Header.MAGIC).putInt(3).putLong(0).putInt(0).putInt(16).putLong(TIB);
            header.putInt(0).putInt(tables).putLong(2L * CLUSTER);
            header.putLong(CLUSTER).putInt(1).putInt(0).putLong(0);
            header.putLong(0).putLong(0).putLong(0).putInt(4).putInt(112);
            file.write(header.clear(), 0);
            ByteBuffer l1 = ByteBuffer.allocate(tables * 8);
            ByteBuffer l2 = ByteBuffer.allocate(CLUSTER);
            long l2Offset = 3L * CLUSTER;
            long data = l2Offset + (long) tables * CLUSTER;
            for (int table = 0; table < tables; table++, l2Offset += CLUSTER) {
                l1.putLong(GuestTables.COPIED | l2Offset);
                l2.clear();
                for (int entry = 0; entry < L2_ENTRIES; entry++) {
                    boolean used = ((long) table * L2_ENTRIES + entry) % everyNth == 0;
                    l2.putLong(used ? GuestTables.COPIED | data : 0);
                    data += used ? CLUSTER : 0;
                }
                file.write(l2.flip(), l2Offset);
            }
            file.write(l1.flip(), 2L * CLUSTER);
            file.write(ByteBuffer.allocate(1), data - 1);
        }
    }
}
