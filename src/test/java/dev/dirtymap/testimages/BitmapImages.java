package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Images that differ in their bitmaps: how many, how named, what they say, whether they can be trusted.
final class BitmapImages {

    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    /// Names that are awkward in paths, options, formats and terminals, one char a byte; the third last is not UTF-8.
    private static final List<String> HOSTILE =
            List.of(
                    "a,b",
                    "a=b",
                    "q\"u'o",
                    "sp ace",
                    "new\nline",
                    "-dash",
                    "--",
                    ".",
                    "..",
                    "../../etc/passwd",
                    "a/b",
                    "%2e%2e",
                    "~2E",
                    "*",
                    "tab\t\u0001\u007f",
                    "qemu:dirty-bitmap:x",
                    "$(id)",
                    "caf\u00c3\u00a9",
                    " ",
                    "\u00ff\u00fe",
                    "x".repeat(1023),
                    "\u00c3\u00a9".repeat(511));

    private BitmapImages() {}

    static List<LazyCase> cases() {
        List<LazyCase> cases = new ArrayList<>();
        addNumbers(cases);
        addContents(cases);
        addStates(cases);
        return cases;
    }

    private static void addNumbers(List<LazyCase> cases) {
        cases.add(
                new LazyCase(
                        "bitmaps-1",
                        "a single bitmap",
                        draft -> draft.create(GIB).add(65536).scatter(30)));
        cases.add(
                new LazyCase(
                        "bitmaps-10",
                        "ten bitmaps",
                        draft -> draft.create(GIB).addAll(numbered(0, 10, "")).scatter(30)));
        cases.add(
                new LazyCase(
                        "bitmaps-100",
                        "a hundred bitmaps, added in two halves",
                        draft ->
                                draft.create(GIB, "cluster_size=4k")
                                        .addAll(numbered(0, 50, ""))
                                        .scatter(20)
                                        .addAll(numbered(50, 100, ""))
                                        .disableEvery(7)
                                        .scatter(20)));
        cases.add(
                new LazyCase(
                        "directory-longer-than-cluster",
                        "a directory of 80 clusters, through long names",
                        draft ->
                                draft.create(100 * MIB, "cluster_size=512")
                                        .addAll(numbered(0, 40, "x".repeat(990)))
                                        .scatter(20)));
        cases.add(
                new LazyCase(
                        "hostile-names",
                        "names with every character that anything gives a meaning to, and one that is not UTF-8",
                        draft -> {
                            draft.create(GIB, "cluster_size=4k");
                            for (int i = 0; i < HOSTILE.size(); i++) {
                                draft.add(HOSTILE.get(i).getBytes(ISO_8859_1), 65536, true)
                                        .io("discard %dM 64k".formatted(i));
                            }
                        }));
    }

    private static void addContents(List<LazyCase> cases) {
        cases.add(
                new LazyCase(
                        "all-clean",
                        "nothing was written",
                        draft -> draft.create(GIB).add(512, 65536)));
        cases.add(
                new LazyCase(
                        "all-dirty",
                        "everything was discarded, so everything is dirty",
                        draft ->
                                draft.create(3 * GIB)
                                        .add(512, 65536, 2 * GIB)
                                        .io("discard 0 1G", "discard 1G 1G", "discard 2G 1G")));
        cases.add(
                new LazyCase(
                        "all-ones-entries",
                        "table entries that mean all ones, which QEMU reads but never writes, at both ends and within",
                        draft -> {
                            draft.create(GIB + 512, "cluster_size=512")
                                    .add(512, 4096)
                                    .add("data", 512, true);
                            draft.scatter(10);
                            ImageBytes bytes = draft.bytes();
                            fillTable(bytes, 0);
                            fillTable(bytes, 1);
                        }));
        cases.add(
                new LazyCase(
                        "tail-bits",
                        "bits beyond the end are set on disk, as QEMU leaves them after reading an all-ones entry",
                        draft -> {
                            draft.create(MIB).add(65536);
                            fillTable(draft.bytes(), 0);
                            draft.add("later", 65536, true);
                        }));
        cases.add(
                new LazyCase(
                        "alternating",
                        "every other granule",
                        draft ->
                                draft.create(64 * MIB)
                                        .add(65536, 131072)
                                        .io(everyOther(512, 65536))));
        cases.add(
                new LazyCase(
                        "fragmented",
                        "5000 extents, over several pages of any answer",
                        draft -> draft.create(64 * MIB).add(4096).io(everyOther(5000, 4096))));
        cases.add(
                new LazyCase(
                        "dense",
                        "a disorder of short extents that touch, overlap and cross words, bytes and data clusters",
                        draft ->
                                draft.create(16 * MIB, "cluster_size=512")
                                        .add(512, 1024, 4096)
                                        .scatter(800)));
        cases.add(
                new LazyCase(
                        "merged",
                        "bitmaps of other granularities merged into finer and coarser ones",
                        draft -> {
                            draft.create(GIB).add(4096, MIB).scatter(20).disableEvery(1);
                            draft.add("coarse", 8 * MIB, false).add("fine", 512, false);
                            draft.qemuImg().bitmapMerge(Draft.FILE, "coarse", "g4096");
                            draft.qemuImg().bitmapMerge(Draft.FILE, "fine", "g1048576");
                        }));
        cases.add(
                new LazyCase(
                        "cleared-and-removed",
                        "what is left after bitmaps were cleared and removed",
                        draft -> {
                            draft.create(GIB).qemuImg().bitmapAdd(Draft.FILE, "gone", 512, true);
                            draft.add(65536, 4096).scatter(30);
                            draft.qemuImg().bitmapClear(Draft.FILE, "g4096");
                            draft.qemuImg().bitmapRemove(Draft.FILE, "gone");
                        }));
        cases.add(
                new LazyCase(
                        "last-one-removed",
                        "had bitmaps once, and has neither extension nor autoclear bit now",
                        draft -> {
                            draft.create(GIB).qemuImg().bitmapAdd(Draft.FILE, "gone", 512, true);
                            draft.scatter(10).qemuImg().bitmapRemove(Draft.FILE, "gone");
                        }));
    }

    private static void addStates(List<LazyCase> cases) {
        cases.add(
                new LazyCase(
                        "disabled",
                        "a bitmap that records no more beside one that never did",
                        draft ->
                                draft.create(GIB)
                                        .add(65536)
                                        .scatter(20)
                                        .disableEvery(1)
                                        .add("never", 4096, false)
                                        .scatter(20)));
        cases.add(
                new LazyCase(
                        "in-use",
                        "the writer died",
                        draft ->
                                draft.create(GIB)
                                        .add("on", 65536, true)
                                        .add("off", 4096, false)
                                        .scatter(20)
                                        .killWriter()));
        cases.add(
                new LazyCase(
                        "in-use-and-later-ones",
                        "the writer died, and a good bitmap was added since",
                        draft ->
                                draft.create(GIB)
                                        .add("broken", 65536, true)
                                        .scatter(20)
                                        .killWriter()
                                        .add("good", 65536, true)
                                        .scatter(20)));
    }

    private static List<BitmapSpec> numbered(int from, int to, String suffix) {
        return IntStream.range(from, to)
                .mapToObj(i -> BitmapSpec.of("b" + i + suffix, 512L << (i % 14), i % 3 != 0))
                .toList();
    }

    private static List<String> everyOther(int count, int granularity) {
        return IntStream.range(0, count)
                .mapToObj(i -> "discard %d %d".formatted(2L * i * granularity, granularity))
                .toList();
    }

    /// Turns each entry of the n-th bitmap's table that means all zeros into one that means all ones. No cluster
    /// changes hands, so the refcounts stay right.
    static void fillTable(ImageBytes bytes, int index) {
        long table = bytes.bitmapTable(index);
        var entries =
                ByteBuffer.wrap(
                        bytes.read(
                                table,
                                Math.toIntExact(bytes.bitmapTableEntries(index) * Long.BYTES)));
        for (int at = 0; at < entries.limit(); at += Long.BYTES) {
            if (entries.getLong(at) == 0) {
                entries.putLong(at, 1);
            }
        }
        bytes.write(table, entries.array());
    }
}
