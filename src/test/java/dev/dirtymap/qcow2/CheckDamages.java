package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.CheckImages.Shape;
import dev.dirtymap.qcow2.CheckImages.Shape.Kind;
import dev.dirtymap.testimages.ImageBytes;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;

/// Ways to make an image's structures disagree.
final class CheckDamages {

    private static final long COPIED = 1L << 63;
    private static final long COMPRESSED = 1L << 62;
    private static final long OFFSET = 0x00fffffffffffe00L;

    /// One way.
    record Damage(String name, Consumer<ImageBytes> inflict) {

        @Override
        public String toString() {
            return name;
        }
    }

    private CheckDamages() {}

    static List<Damage> of(Shape shape) {
        List<Damage> all = new ArrayList<>();
        all.add(new Damage("none", b -> {}));
        all.addAll(refcounts(shape));
        if (shape.kind() == Kind.PLAIN
                && shape.refcountBits() != 16
                && shape.clusterSize() != 512) {
            // The width of refcounts is of no interest to the others but this one.
            all.add(data("bitmaps share data", b -> b.u64(b.bitmapTable(0))));
            return all;
        }
        all.addAll(guest(shape));
        if (shape.kind() != Kind.LUKS) {
            all.addAll(bitmaps());
        }
        all.addAll(special(shape));
        return all;
    }

    private static List<Damage> refcounts(Shape shape) {
        long max = shape.refcountBits() == 64 ? -1 : (1L << shape.refcountBits()) - 1;
        return List.of(
                new Damage(
                        "two leaked clusters at the end",
                        b -> {
                            long end = b.length() / b.clusterSize() + 1;
                            b.truncate((end + 3) * b.clusterSize());
                            refcount(b, end, 1);
                            refcount(b, end + 2, max);
                        }),
                new Damage("refcount 0 of an L2 table", b -> refcount(b, l2(b), 0)),
                new Damage("refcount 0 of the header", b -> refcount(b, 0, 0)),
                new Damage("refcount too high of an L2 table", b -> refcount(b, l2(b), max)),
                new Damage("refcount too high of the L1 table", b -> refcount(b, l1(b), max)),
                new Damage("refcount 0 of its own block", b -> refcount(b, block(b), 0)),
                new Damage("no refcount block", b -> b.u64(b.u64(48), 0)),
                new Damage("reserved bits", b -> b.setBits64(b.u64(48), 3)),
                new Damage("unaligned block", b -> b.u64(b.u64(48), b.u64(b.u64(48)) + 512)),
                new Damage(
                        "block past the end",
                        b -> b.u64(b.u64(48) + 8, 1L << 30).u64(b.u64(48) + 16, 1L << 62)),
                new Damage("block at a negative offset", b -> b.u64(b.u64(48), 1L << 63)),
                new Damage("two blocks in one", b -> b.u64(b.u64(48) + 8, b.u64(b.u64(48)))),
                new Damage("the table is a block", b -> b.u64(b.u64(48) + 8, b.u64(48))),
                new Damage("file cut by a sector", b -> b.truncate(b.length() - 512)),
                new Damage(
                        "file cut by three clusters",
                        b -> b.truncate(b.length() - 3L * b.clusterSize())));
    }

    private static List<Damage> guest(Shape shape) {
        long entry = shape.kind() == Kind.EXTENDED_L2 ? 16 : 8;
        return List.of(
                new Damage("L2 table not copied", b -> b.u64(u64(b, 40), l1Entry(b) ^ COPIED)),
                new Damage("L1 reserved bits", b -> b.u64(u64(b, 40), l1Entry(b) ^ (1 << 3))),
                new Damage("unaligned L2 table", b -> b.u64(u64(b, 40), l1Entry(b) + 512)),
                new Damage("L2 table past the end", b -> b.u64(u64(b, 40), COPIED | 1L << 40)),
                new Damage("L2 table in the header", b -> b.u64(u64(b, 40), COPIED)),
                new Damage("data not copied", b -> b.u64(l2At(b), b.u64(l2At(b)) ^ COPIED)),
                new Damage("data reserved bits", b -> b.u64(l2At(b), b.u64(l2At(b)) ^ (1 << 4))),
                new Damage("unaligned data", b -> b.u64(l2At(b), b.u64(l2At(b)) + 512)),
                new Damage("zeros that are allocated", b -> b.setBits64(l2At(b), 1)),
                new Damage(
                        "data past the end", b -> b.u64(l2At(b), COPIED | (b.length() & OFFSET))),
                new Damage("data far past the end", b -> b.u64(l2At(b), OFFSET)),
                new Damage("data given up", b -> b.u64(l2At(b), 0)),
                new Damage("data at the header", b -> b.u64(l2At(b), COPIED)),
                new Damage("data shared", b -> b.u64(l2At(b) + entry, b.u64(l2At(b)))),
                new Damage("compressed and copied", b -> b.setBits64(l2At(b), COPIED | COMPRESSED)),
                new Damage(
                        "compressed data that reaches past the end",
                        b ->
                                b.u64(
                                        l2At(b),
                                        COMPRESSED
                                                | (1L << (62 - (log2(b) - 8)))
                                                | b.length() - 100)));
    }

    private static List<Damage> bitmaps() {
        return List.of(
                data("bitmaps share data", b -> b.u64(b.bitmapTable(0))),
                data("bitmap data on an L2 table", b -> l1Entry(b) & OFFSET),
                data("bitmap data on guest data", b -> b.u64(l2At(b)) & OFFSET),
                data("bitmap data on the refcount block", b -> b.u64(b.u64(48))),
                data("bitmap data on the refcount table", b -> b.u64(48)),
                data("bitmap data on its own table", b -> b.bitmapTable(1)),
                data("bitmap data past the end", b -> up(b, b.length())),
                data("bitmap data far past the end", b -> 1L << 50),
                data("bitmap data given up", b -> 0L),
                new Damage(
                        "bitmap table past the end",
                        b -> b.u64(b.directoryEntry(0), up(b, b.length()))),
                new Damage(
                        "bitmaps share a table",
                        b ->
                                b.u64(b.directoryEntry(0), b.bitmapTable(1))
                                        .u32(b.directoryEntry(0) + 8, b.bitmapTableEntries(1))
                                        .u32(b.directoryEntry(0) + 12, 1)),
                new Damage(
                        "in use, with a longer table",
                        b -> b.u32(b.directoryEntry(0) + 8, 3).u32(b.directoryEntry(0) + 12, 3)),
                new Damage("orphaned", b -> b.u64(88, 0)),
                new Damage(
                        "autoclear bit alone",
                        b ->
                                b.extensions(
                                        b.extensions().stream()
                                                .filter(e -> e.id() != ImageBytes.BITMAPS_EXTENSION)
                                                .toList())));
    }

    private static List<Damage> special(Shape shape) {
        return switch (shape.kind()) {
            case PLAIN, COMPRESSED, LUKS -> List.of();
            case DATA_FILE -> List.of(new Damage("snapshots", b -> b.u32(60, 1).u64(64, l2At(b))));
            case SNAPSHOTS ->
                    List.of(
                            new Damage("unaligned L1", b -> b.u64(b.u64(64), b.u64(b.u64(64)) + 8)),
                            new Damage("L1 past the end", b -> b.u64(b.u64(64), 1L << 40)),
                            new Damage("L1 too large", b -> b.u32(b.u64(64) + 8, 1 << 23)),
                            new Damage("L1 larger", b -> b.u32(b.u64(64) + 8, 1 << 12)),
                            new Damage("L1 empty", b -> b.u32(b.u64(64) + 8, 0)),
                            new Damage("little extra data", b -> b.u32(b.u64(64) + 36, 8)),
                            new Damage("more snapshots", b -> b.u32(60, 3)),
                            new Damage("snapshots past the end", b -> b.u64(64, 1L << 40)),
                            new Damage("no snapshots", b -> b.u32(60, 0)));
            case EXTENDED_L2 ->
                    List.of(
                            new Damage("both", b -> b.u64(l2At(b) + 8, -1)),
                            new Damage(
                                    "allocated in nothing",
                                    b -> b.u64(l2At(b) + 5 * 16 + 8, 1 << 4)),
                            new Damage("zeros in nothing", b -> b.u64(l2At(b) + 88, 1L << 40)),
                            new Damage(
                                    "compressed",
                                    b -> b.u64(l2At(b), b.u64(l2At(b)) ^ (COPIED | COMPRESSED))));
        };
    }

    private static Damage data(String name, ToLongFunction<ImageBytes> offset) {
        return new Damage(name, b -> b.u64(b.bitmapTable(1), offset.applyAsLong(b)));
    }

    private static long up(ImageBytes b, long offset) {
        return (offset + b.clusterSize() - 1) & -b.clusterSize();
    }

    private static long u64(ImageBytes b, long at) {
        return b.u64(at);
    }

    private static long l1Entry(ImageBytes b) {
        return b.u64(b.u64(40));
    }

    private static long l2At(ImageBytes b) {
        return l1Entry(b) & OFFSET;
    }

    private static long l1(ImageBytes b) {
        return b.u64(40) / b.clusterSize();
    }

    private static long l2(ImageBytes b) {
        return l2At(b) / b.clusterSize();
    }

    private static long block(ImageBytes b) {
        return b.u64(b.u64(48)) / b.clusterSize();
    }

    private static int log2(ImageBytes b) {
        return Integer.numberOfTrailingZeros(b.clusterSize());
    }

    /// Sets the refcount of a cluster that the first block counts.
    private static void refcount(ImageBytes b, long cluster, long value) {
        long start = b.u64(b.u64(48));
        int bits = 1 << b.u32(96);
        if (bits >= 8) {
            long at = start + cluster * bits / 8;
            for (int i = 0; i < bits / 8; i++) {
                b.u8(at + i, (int) (value >>> (bits - 8 - 8 * i)) & 0xff);
            }
        } else {
            long at = start + cluster * bits / 8;
            int shift = (int) (cluster * bits % 8);
            int mask = (1 << bits) - 1;
            b.u8(at, (b.u8(at) & ~(mask << shift)) | ((int) (value & mask) << shift));
        }
    }
}
