package dev.dirtymap.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/// Several bitmaps: combined while they are read, and merged for good.
final class SetCases {

    private static final String MANY = "many";
    private static final int BITMAPS = 8;
    private static final long EACH = 4096;
    private static final double MERGE_RATIO = 3;

    /// A service that has run for a while has its code compiled: after 40 merges the processor still compiles most of
    /// the time, and a tenth of what is measured is its interpreter.
    private static final int MERGES_BEFORE = 300;

    private final Bench bench;

    SetCases(Bench bench) {
        this.bench = bench;
    }

    void union() throws IOException, InterruptedException {
        byte[] all = Bits.spread(bench.granules(), 0);
        bench.create(MANY, bench.tebibytes(1), all);
        List<String> lists = new ArrayList<>();
        StringBuilder query = new StringBuilder("/v1/images/many.qcow2/extents?combine=UNION");
        for (int i = 0; i < BITMAPS; i++) {
            byte[] bits = Bits.random(bench.granules(), EACH, i);
            bench.addBitmap(MANY, "b" + i, bits);
            Bits.or(all, bits);
            lists.add(bench.url("/v1/images/many.qcow2/bitmaps/b%d/extents".formatted(i)));
            query.append("&bitmap=b").append(i);
        }
        String union = bench.url(query.toString());
        Listed listed = Curl.read(Listed::of, union, Bench.NDJSON);
        listed.requireSame(Bits.listed(all, Bench.GRANULE), "union");
        Runs ours = new Runs();
        Runs each = new Runs();
        Runs nothing = new Runs();
        String empty = bench.url(Bench.extents(MANY));
        for (int run = -bench.shortRuns(); run < bench.shortRuns(); run++) {
            double sum = 0;
            for (String list : lists) {
                sum += pausedGet(list);
            }
            double request = pausedGet(empty);
            double together = pausedGet(union);
            if (run >= 0) {
                each.add(sum);
                nothing.add(request);
                ours.add(together);
            }
        }
        double once = each.median() - (BITMAPS - 1) * nothing.median();
        bench.add(
                new Row(
                        "union of 8 bitmaps of 1 TiB, %,d extents".formatted(listed.ranges()),
                        "no more than reading each once",
                        ours.toString(),
                        "ourselves, the 8 lists one by one: %s; without the seven further requests %s ms"
                                .formatted(each, Runs.digits(once * 1e3)),
                        Row.times(ours.timesFasterThan(each)),
                        Row.Verdict.of(ours.median() <= each.median())));
    }

    private static double pausedGet(String url) throws IOException, InterruptedException {
        Thread.sleep(20);
        return Curl.get(url, Bench.NDJSON).total();
    }

    void merge() throws IOException, InterruptedException {
        String disk = "pair";
        byte[] target = Bits.spread(bench.granules(), bench.granules() / 3);
        byte[] source = Bits.random(bench.granules(), bench.granules() / 8, 5);
        bench.create(disk, bench.tebibytes(1), target);
        bench.addBitmap(disk, "c", source);
        Bits.or(target, source);
        Runs ours = new Runs();
        Runs theirs = new Runs();
        for (int run = 0; run < MERGES_BEFORE; run++) {
            copy(disk, "ours");
            mergeOurs();
        }
        for (int run = -2; run < bench.shortRuns(); run++) {
            copy(disk, "ours");
            copy(disk, "theirs");
            double our = mergeOurs();
            double their =
                    Program.run(
                                    bench.folder(),
                                    "qemu-img",
                                    "bitmap",
                                    "--merge",
                                    "c",
                                    "-f",
                                    "qcow2",
                                    "theirs.qcow2",
                                    "b")
                            .seconds();
            if (run >= 0) {
                ours.add(our);
                theirs.add(their);
            }
        }
        Listed expected = Bits.listed(target, Bench.GRANULE);
        for (String copy : List.of("ours", "theirs")) {
            Curl.read(Listed::of, bench.url(Bench.extents(copy)), Bench.NDJSON)
                    .requireSame(expected, copy);
        }
        bench.add(
                Row.against(
                        "merge of two bitmaps of 1 TiB, on the disk when it is answered, after %d others"
                                .formatted(MERGES_BEFORE),
                        "≥ 3×",
                        ours,
                        "`qemu-img bitmap --merge`",
                        theirs,
                        ours.timesFasterThan(theirs) >= MERGE_RATIO));
    }

    private double mergeOurs() throws IOException, InterruptedException {
        byte[] body = "{\"sources\":[{\"bitmap\":\"c\"}]}".getBytes(UTF_8);
        long start = System.nanoTime();
        bench.service().send("POST", Bench.bitmap("ours") + "/merge", "application/json", body);
        return (System.nanoTime() - start) / 1e9;
    }

    /// Copies a disk anew, so that each merge has all its work to do, and none of the copy's.
    private void copy(String disk, String copy) throws IOException, InterruptedException {
        Path path = bench.folder().resolve(copy + ".qcow2");
        Files.deleteIfExists(path);
        Program.run(bench.folder(), "cp", "--sparse=always", disk + ".qcow2", path.toString());
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
            file.force(true);
        }
    }
}
