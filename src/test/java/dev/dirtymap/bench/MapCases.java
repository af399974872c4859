package dev.dirtymap.bench;

import java.io.IOException;

/// The image's own map, beside `qemu-img map`.
final class MapCases {

    private static final double RATIO = 10;
    private static final String CSV = "text/csv";

    private final Bench bench;

    MapCases(Bench bench) {
        this.bench = bench;
    }

    /// Maps 1 TiB of which every n-th cluster has data.
    void map(long everyNth, int runs) throws IOException, InterruptedException {
        String file = "map%d.qcow2".formatted(everyNth);
        MappedImage.write(bench.folder().resolve(file), bench.tebibytes(1), everyNth);
        String url = bench.url("/v1/images/%s/extents".formatted(file));
        String[] peer = {"qemu-img", "map", "--output=json", "-f", "qcow2", file};
        Listed listed = Curl.read(Listed::of, url, Bench.NDJSON);
        listed.requireSame(Program.read(Listed::of, bench.folder(), peer), file);
        for (int i = 0; i < 4; i++) {
            Curl.get(url, Bench.NDJSON);
            Curl.get(url, CSV);
        }
        Runs ours = new Runs();
        Runs csv = new Runs();
        Runs theirs = new Runs();
        for (int run = 0; run < runs; run++) {
            ours.add(Curl.get(url, Bench.NDJSON).total());
            csv.add(Curl.get(url, CSV).total());
            theirs.add(Program.run(bench.folder(), peer).seconds());
        }
        bench.add(
                Row.against(
                        "map of 1 TiB with %,d extents of data and as many of none, NDJSON"
                                .formatted(listed.ranges()),
                        "≥ 10×",
                        ours,
                        "`qemu-img map --output=json`",
                        theirs,
                        ours.timesFasterThan(theirs) >= RATIO));
        bench.add(
                new Row(
                        "the same, `%s`".formatted(CSV),
                        "",
                        csv.toString(),
                        "the same",
                        Row.times(csv.timesFasterThan(theirs)),
                        Row.Verdict.REPORTED));
    }
}
