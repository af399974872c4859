package dev.dirtymap.testimages;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/// Images that differ in what `qemu-img create` can choose: cluster size, size, refcount width, where the data is.
final class FormatImages {

    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    /// Every granularity that QEMU stores: 512 B to 2 GiB.
    private static final long[] GRANULARITIES =
            LongStream.rangeClosed(9, 31).map(bit -> 1L << bit).toArray();

    /// A multiple of nothing but the sector.
    private static final long ODD = 12345 * 512L;

    private FormatImages() {}

    static List<LazyCase> cases() {
        List<LazyCase> cases = new ArrayList<>();
        for (String clusterSize : List.of("512", "4k", "64k", "2M")) {
            cases.add(
                    new LazyCase(
                            "granularities-cluster-" + clusterSize,
                            "a bitmap of each of the 23 granularities, every third disabled half-way",
                            draft ->
                                    draft.create(5 * GIB + ODD, "cluster_size=" + clusterSize)
                                            .add(GRANULARITIES)
                                            .scatter(30)
                                            .disableEvery(3)
                                            .scatter(30)));
        }
        for (int bits = 1; bits <= 64; bits *= 2) {
            int width = bits;
            cases.add(
                    new LazyCase(
                            "refcount-bits-" + bits,
                            "refcounts of " + bits + " bits",
                            draft ->
                                    draft.create(
                                                    100 * MIB + ODD,
                                                    "cluster_size=4k",
                                                    "refcount_bits=" + width)
                                            .add(4096, 65536)
                                            .scatter(30)));
        }
        addSizes(cases);
        addDataKinds(cases);
        return cases;
    }

    private static void addSizes(List<LazyCase> cases) {
        cases.add(
                new LazyCase(
                        "size-0",
                        "no disk at all, which can have no bitmap",
                        draft -> draft.create(0)));
        cases.add(
                new LazyCase(
                        "size-512",
                        "one sector",
                        draft -> draft.create(512).add(512, 65536, 2 * GIB).scatter(0)));
        cases.add(
                new LazyCase(
                        "size-no-multiple",
                        "the header's size is no multiple of a sector; QEMU rounds it down",
                        draft -> {
                            draft.create(10 * GIB + ODD).add(512, 65536, 2 * GIB).scatter(40);
                            draft.bytes().u64(24, 10 * GIB + ODD + 511);
                        }));
        cases.add(
                new LazyCase(
                        "size-64t",
                        "64 TiB",
                        draft -> draft.create(64L << 40).add(65536, MIB, 2 * GIB).scatter(50)));
        cases.add(
                new LazyCase(
                        "size-64t-finest",
                        "64 TiB with the finest granularity that it can have: 2^32 bits",
                        draft -> draft.create(64L << 40).add(16384).scatter(20)));
        cases.add(
                new LazyCase(
                        "size-64t-all-dirty",
                        "64 TiB, dirty as a whole through table entries that mean all ones",
                        draft -> {
                            draft.create(64L << 40).add(65536);
                            BitmapImages.fillTable(draft.bytes(), 0);
                        }));
        cases.add(
                new LazyCase(
                        "table-longer-than-cluster",
                        "a table of 8 clusters, of which dirty ranges cross several data clusters",
                        draft ->
                                draft.create(GIB + ODD, "cluster_size=512")
                                        .add(512)
                                        .scatter(30)
                                        .io("discard 1000k 9M")));
    }

    private static void addDataKinds(List<LazyCase> cases) {
        cases.add(
                new LazyCase(
                        "extended-l2",
                        "subclusters",
                        draft -> draft.create(GIB, "extended_l2=on").add(4096, 65536).scatter(30)));
        cases.add(
                new LazyCase(
                        "extended-l2-smallest",
                        "subclusters of 512 bytes, in the smallest clusters that may have them",
                        draft ->
                                draft.create(GIB, "extended_l2=on", "cluster_size=16k")
                                        .add(512, 65536)
                                        .scatter(30)));
        cases.add(
                new LazyCase(
                        "data-file",
                        "guest data in another file",
                        draft ->
                                draft.create(8 * MIB, "data_file=disk.data")
                                        .add(4096, 65536)
                                        .scatter(30)));
        cases.add(
                new LazyCase(
                        "data-file-raw",
                        "guest data in another file that is a raw image too",
                        draft ->
                                draft.create(8 * MIB, "data_file=disk.raw", "data_file_raw=on")
                                        .add(4096, 65536)
                                        .scatter(30)));
        cases.add(
                new LazyCase(
                        "luks",
                        "encrypted guest data; bitmaps are in clear text",
                        draft -> {
                            draft.qemuImg().createEncrypted(Draft.FILE, "100M", "cluster_size=4k");
                            draft.add("g4096", 4096, true).add("g65536", 65536, true).scatter(30);
                        }));
        cases.add(
                new LazyCase(
                        "zstd",
                        "zstd, with a compressed cluster",
                        draft ->
                                draft.create(GIB, "compression_type=zstd")
                                        .add(4096, 65536)
                                        .io("write -c -P 7 1M 64k")
                                        .scatter(30)));
        cases.add(
                new LazyCase(
                        "deflate",
                        "a compressed cluster",
                        draft ->
                                draft.create(GIB)
                                        .add(4096)
                                        .io("write -c -P 7 1M 64k")
                                        .scatter(30)));
        cases.add(
                new LazyCase(
                        "lazy-refcounts",
                        "refcounts may be postponed, and are not",
                        draft -> draft.create(GIB, "lazy_refcounts=on").add(65536).scatter(30)));
        cases.add(
                new LazyCase(
                        "version-2",
                        "the old format, which stores no bitmaps",
                        draft -> draft.create(GIB, "compat=0.10").scatter(5)));
    }
}
