package dev.dirtymap.bench;

import dev.dirtymap.bench.Plot.Point;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/// How the time of a list grows, ours and that of `nbdinfo`.
final class PlotCases {

    private static final String PEER = "nbdinfo";
    private static final String OURS = "Dirtymap";
    private static final long FEW = 1000;
    private static final long PAUSE_MILLIS = 150;

    /// Sizes of the disks with few extents, as powers of two.
    private static final List<Integer> SIZES = List.of(30, 36, 40, 44, 46);

    private final Bench bench;
    private final BitmapCases bitmaps;
    private final StringBuilder table = new StringBuilder();

    PlotCases(Bench bench, BitmapCases bitmaps) {
        this.bench = bench;
        this.bitmaps = bitmaps;
    }

    /// The disks with few extents, of all sizes.
    static List<String> sizes() {
        return SIZES.stream().map("size%d"::formatted).toList();
    }

    void create() throws IOException, InterruptedException {
        for (long extents : extents()) {
            bench.create(
                    "extents" + extents,
                    bench.tebibytes(1),
                    Bits.spread(bench.granules(), extents));
        }
        for (int i = 0; i < SIZES.size(); i++) {
            long size = 1L << SIZES.get(i);
            bench.create(sizes().get(i), size, Bits.spread(size / Bench.GRANULE, FEW));
        }
    }

    private List<Long> extents() {
        return IntStream.rangeClosed(3, bench.quick() ? 4 : 6)
                .mapToObj(power -> (long) Math.pow(10, power))
                .toList();
    }

    void overExtents(Path folder) throws IOException, InterruptedException {
        var plot =
                new Plot(
                        "All extents of 1 TiB: time against their number",
                        "number of extents",
                        PlotCases::shortened);
        List<Point> ours = new ArrayList<>();
        List<Point> theirs = new ArrayList<>();
        table.append("| disk | extents | ours | `nbdinfo --json --map` | ratio |%n".formatted());
        table.append("|---|--:|--:|--:|--:|%n".formatted());
        for (long extents : extents()) {
            Measured both = measured("extents" + extents);
            ours.add(new Point(extents, both.ours));
            theirs.add(new Point(extents, both.theirs));
            tell(bench.tebibytes(1), extents, both);
        }
        Measured most = new Measured(bitmaps.ours(), bitmaps.theirs());
        long extents = bench.granules() / 2;
        ours.add(new Point(extents, most.ours));
        theirs.add(new Point(extents, most.theirs));
        tell(bench.tebibytes(1), extents, most);
        plot.line(OURS, ours);
        plot.line(PEER, theirs);
        Files.writeString(folder.resolve("benchmarks-extents.svg"), plot.svg());
    }

    void overSizes(Path folder) throws IOException, InterruptedException {
        var plot =
                new Plot(
                        "1,000 extents: time against the size of the disk",
                        "virtual size",
                        PlotCases::size);
        List<Point> ours = new ArrayList<>();
        List<Point> theirs = new ArrayList<>();
        for (int i = 0; i < SIZES.size(); i++) {
            long size = 1L << SIZES.get(i);
            Measured both = measured(sizes().get(i));
            ours.add(new Point(size, both.ours));
            theirs.add(new Point(size, both.theirs));
            tell(size, FEW, both);
        }
        plot.line(OURS, ours);
        plot.line(PEER, theirs);
        Files.writeString(folder.resolve("benchmarks-size.svg"), plot.svg());
    }

    private record Measured(Runs ours, Runs theirs) {}

    private Measured measured(String disk) throws IOException, InterruptedException {
        Runs ours = new Runs();
        Runs theirs = new Runs();
        String url = bench.url(Bench.extents(disk));
        try (Peer peer = new Peer(bench, disk)) {
            bench.requireSame(disk, peer);
            pausedGet(url);
            bench.alternate(bench.shortRuns(), () -> pausedGet(url), ours, peer::map, theirs);
        }
        return new Measured(ours, theirs);
    }

    private void tell(long size, long extents, Measured both) {
        table.append(
                "| %s | %,d | %s | %s | %s |%n"
                        .formatted(
                                size((double) size),
                                extents,
                                both.ours,
                                both.theirs,
                                Row.times(both.ours.timesFasterThan(both.theirs))));
    }

    private static double pausedGet(String url) throws IOException, InterruptedException {
        Thread.sleep(PAUSE_MILLIS);
        return Curl.get(url, Bench.NDJSON).total();
    }

    /// What the plots show, in numbers.
    String table() {
        return table.toString();
    }

    private static String shortened(double count) {
        if (count >= 1e6) {
            return String.format(Locale.ROOT, "%.1f M", count / 1e6).replace(".0 ", " ");
        }
        return "%,.0f".formatted(count);
    }

    private static String size(double bytes) {
        return bytes >= 1L << 40
                ? "%.0f TiB".formatted(bytes / (1L << 40))
                : "%.0f GiB".formatted(bytes / (1L << 30));
    }
}
