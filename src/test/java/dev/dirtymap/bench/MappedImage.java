package dev.dirtymap.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// An image of which every n-th cluster of 64 KiB is allocated, each at a place of its own, without a byte of data:
/// the clusters lie behind one another in a hole of the file. Refcounts are not kept, since a map asks for none.
final class MappedImage {

    private static final int MAGIC = 0x514649fb;
    private static final long COPIED = 1L << 63;
    private static final int CLUSTER = 1 << 16;
    private static final int L2_ENTRIES = CLUSTER / 8;

    private MappedImage() {}

    /// Writes header, L1 table, and such L2 tables as hold anything.
    static void write(Path path, long virtualSize, long everyNth) throws IOException {
        int tables = Math.toIntExact(virtualSize / CLUSTER / L2_ENTRIES);
        try (FileChannel file =
                FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer header = ByteBuffer.allocate(CLUSTER);
            header.putInt(MAGIC).putInt(3).putLong(0).putInt(0).putInt(16).putLong(virtualSize);
            header.putInt(0).putInt(tables).putLong(2L * CLUSTER);
            header.putLong(CLUSTER).putInt(1).putInt(0).putLong(0);
            header.putLong(0).putLong(0).putLong(0).putInt(4).putInt(112);
            file.write(header.clear(), 0);
            ByteBuffer l1 = ByteBuffer.allocate(tables * 8);
            ByteBuffer l2 = ByteBuffer.allocate(CLUSTER);
            long l2Offset = 3L * CLUSTER;
            long data = l2Offset + (long) tables * CLUSTER;
            for (int table = 0; table < tables; table++) {
                l2.clear();
                boolean any = false;
                for (int entry = 0; entry < L2_ENTRIES; entry++) {
                    boolean used = ((long) table * L2_ENTRIES + entry) % everyNth == 0;
                    l2.putLong(used ? COPIED | data : 0);
                    data += used ? CLUSTER : 0;
                    any |= used;
                }
                l1.putLong(any ? COPIED | l2Offset : 0);
                if (any) {
                    file.write(l2.flip(), l2Offset);
                    l2Offset += CLUSTER;
                }
            }
            file.write(l1.flip(), 2L * CLUSTER);
            file.write(ByteBuffer.allocate(1), data - 1);
            file.force(true);
        }
    }
}
