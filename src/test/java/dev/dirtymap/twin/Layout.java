package dev.dirtymap.twin;

import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.util.List;

/// A kind of image. No size is a multiple of a granularity above 512, so the last bit of every bitmap stands for
/// a part of a granule, and the last word of 64 bits is never full.
enum Layout {
    CLUSTERS_OF_512_REFCOUNTS_OF_1_BIT("3147264", 9, "cluster_size=512", "refcount_bits=1"),
    CLUSTERS_OF_512_REFCOUNTS_OF_64_BITS("5244416", 9, "cluster_size=512", "refcount_bits=64"),
    CLUSTERS_OF_4K("134249984", 9, "cluster_size=4k"),
    CLUSTERS_OF_64K("10743738880", 14, "cluster_size=64k"),
    CLUSTERS_OF_2M("107374213632", 17, "cluster_size=2M"),
    EXTENDED_L2("1073750528", 11, "cluster_size=64k", "extended_l2=on"),
    DATA_FILE("67118592", 9, "data_file=disk.data"),
    BACKING_FILE("67118592", 9, "cluster_size=64k"),
    LUKS("33556992", 9, "cluster_size=64k"),
    SNAPSHOTS("67118592", 9, "cluster_size=16k"),
    LAZY_REFCOUNTS("1073750528", 11, "lazy_refcounts=on", "cluster_size=32k");

    private final String size;
    final int minGranularityBits;

    @SuppressWarnings("ImmutableEnumChecker")
    private final List<String> options;

    Layout(String size, int minGranularityBits, String... options) {
        this.size = size;
        this.minGranularityBits = minGranularityBits;
        this.options = List.of(options);
    }

    long virtualSize() {
        return Long.parseLong(size);
    }

    /// Whether the first cluster has room for reference points.
    boolean holdsPoints() {
        return !options.contains("cluster_size=512");
    }

    void create(QemuImg qemu, String file) {
        String[] words = options.toArray(String[]::new);
        switch (this) {
            case BACKING_FILE -> {
                qemu.create("base.qcow2", size);
                QemuIo.run(qemu.folder().resolve("base.qcow2"), "write -P 7 0 1M");
                qemu.create(file, size, List.of("-b", "base.qcow2", "-F", "qcow2"), words);
            }
            case LUKS -> qemu.createEncrypted(file, size, words);
            case SNAPSHOTS -> {
                qemu.create(file, size, words);
                QemuIo.run(qemu.folder().resolve(file), "write -P 5 0 300k");
                qemu.run("snapshot", "-c", "before", file);
                QemuIo.run(qemu.folder().resolve(file), "write -P 6 0 100k");
            }
            default -> qemu.create(file, size, words);
        }
    }
}
