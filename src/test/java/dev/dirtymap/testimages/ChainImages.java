package dev.dirtymap.testimages;

import java.util.ArrayList;
import java.util.List;

/// Images that lean on others: backing files, snapshots, and images that were resized.
final class ChainImages {

    private static final long GIB = 1L << 30;
    private static final String BASE = "base.qcow2";

    private ChainImages() {}

    static List<LazyCase> cases() {
        List<LazyCase> cases = new ArrayList<>();
        cases.add(
                new LazyCase(
                        "backing-with-format",
                        "over an image that has bitmaps of its own, which are not this one's",
                        draft -> {
                            base(draft);
                            draft.qemuImg().bitmapAdd(BASE, "of-base", 4096, true);
                            draft.createOver(BASE, "qcow2", GIB).add(4096, 65536).scatter(30);
                        }));
        cases.add(
                new LazyCase(
                        "backing-without-format",
                        "as QEMU before 6.1 made them: the format is to be guessed",
                        draft -> {
                            base(draft);
                            draft.createOver(BASE, "qcow2", GIB).add(4096, 65536).scatter(30);
                            ImageBytes bytes = draft.bytes();
                            bytes.extensions(
                                    bytes.extensions().stream()
                                            .filter(e ->
                                                    e.id() != ImageBytes.BACKING_FORMAT_EXTENSION)
                                            .toList());
                        }));
        cases.add(
                new LazyCase(
                        "backing-raw",
                        "over a raw file that is shorter than the overlay",
                        draft -> {
                            draft.qemuImg().run("create", "-q", "-f", "raw", "base.raw", "1M");
                            draft.createOver("base.raw", "raw", GIB).add(65536).scatter(30);
                        }));
        cases.add(
                new LazyCase(
                        "backing-name-1023",
                        "the longest name of a backing file",
                        draft -> {
                            base(draft);
                            draft.createOver("./".repeat(506) + "/" + BASE, "qcow2", GIB)
                                    .add(65536)
                                    .scatter(30);
                        }));
        cases.add(
                new LazyCase(
                        "backing-name-344-cluster-512",
                        "the longest name that leaves room for a bitmaps extension in a header of 512 bytes",
                        draft -> {
                            base(draft);
                            draft.createOver(
                                            "./".repeat(167) + BASE,
                                            "qcow2",
                                            GIB,
                                            "cluster_size=512")
                                    .add("g65536", 65536, true)
                                    .scatter(30);
                        }));
        cases.add(
                new LazyCase(
                        "backing-chain",
                        "three layers",
                        draft -> {
                            base(draft);
                            draft.qemuImg()
                                    .create(
                                            "middle.qcow2",
                                            "1G",
                                            List.of("-b", BASE, "-F", "qcow2"));
                            draft.createOver("middle.qcow2", "qcow2", GIB).add(65536).scatter(30);
                        }));
        cases.add(
                new LazyCase(
                        "snapshots",
                        "internal snapshots before and after the bitmaps",
                        draft -> {
                            draft.create(GIB).scatter(10);
                            draft.qemuImg().run("snapshot", "-c", "before", "./" + Draft.FILE);
                            draft.add(4096, 65536).scatter(30);
                            draft.qemuImg().run("snapshot", "-c", "after", "./" + Draft.FILE);
                            draft.scatter(10);
                        }));
        cases.add(
                new LazyCase(
                        "resized",
                        "grown with its bitmaps, whose new part is clean until written",
                        draft -> {
                            draft.create(GIB).add(512, 65536).scatter(30);
                            draft.qemuImg().run("resize", "-q", "./" + Draft.FILE, "3G");
                            draft.scatter(10);
                        }));
        cases.add(
                new LazyCase(
                        "shrunk",
                        "shrunk with its bitmaps to a size that cuts a granule",
                        draft -> {
                            draft.create(GIB).add(512, 1 << 20).scatter(60);
                            draft.qemuImg()
                                    .run(
                                            "resize",
                                            "-q",
                                            "--shrink",
                                            "./" + Draft.FILE,
                                            "104900096");
                        }));
        return cases;
    }

    private static void base(Draft draft) {
        QemuIo.run(draft.qemuImg().create(BASE, "1G"), "write -P 3 0 64k", "write -P 4 512M 64k");
    }
}
