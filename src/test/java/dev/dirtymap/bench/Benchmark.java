package dev.dirtymap.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.springframework.util.FileSystemUtils;

/// Lists, maps, sets, load and start, ours beside those of QEMU and libnbd, in one go.
public final class Benchmark {

    /// A trial: small disks, few runs, and the page goes to `target`.
    private static final boolean QUICK = Boolean.getBoolean("dirtymap.bench.quick");

    private Benchmark() {}

    /// A part of the run.
    @FunctionalInterface
    private interface Part {
        void run() throws IOException, InterruptedException;
    }

    /// Runs everything and writes the page and the plots.
    public static void main(String[] arguments) throws Exception {
        long start = System.nanoTime();
        Path work = Files.createTempDirectory(Path.of("target").toAbsolutePath(), "bench");
        Path folder = Files.createDirectory(work.resolve("disks"));
        Path pages = Path.of(QUICK ? "target" : "docs");
        try (Service service = Service.start(folder, Service.jar(), Service.HEAP)) {
            var bench = new Bench(folder, service, QUICK);
            var bitmaps = new BitmapCases(bench);
            var sets = new SetCases(bench);
            var maps = new MapCases(bench);
            var plots = new PlotCases(bench, bitmaps);
            part("disks", bitmaps::create);
            part("lists", bitmaps::list);
            part("64 TiB", bitmaps::wide);
            part("totals", bitmaps::totals);
            part("pages", bitmaps::pages);
            part("map, 8.4 M extents", () -> maps.map(2, bench.longRuns()));
            part("map, 1,000 extents", () -> maps.map(bench.granules() / 1000, bench.shortRuns()));
            part("union", sets::union);
            part("merge", sets::merge);
            part("disks for the plots", plots::create);
            part("plot over extents", () -> plots.overExtents(pages));
            part("plot over sizes", () -> plots.overSizes(pages));
            part("load", () -> new LoadCases(bench, bitmaps).run(PlotCases.sizes()));
            part("start", () -> new StartCases(bench).start());
            double minutes = (System.nanoTime() - start) / 60e9;
            Files.writeString(
                    pages.resolve("benchmarks.md"),
                    Report.markdown(
                            bench, Machine.markdown(folder), bench.rows(), plots.table(), minutes));
            System.err.printf("%.1f minutes; see %s/benchmarks.md%n", minutes, pages);
        } finally {
            FileSystemUtils.deleteRecursively(work);
        }
    }

    private static void part(String name, Part part) throws IOException, InterruptedException {
        long start = System.nanoTime();
        System.err.println(name);
        part.run();
        System.err.printf("%s: %.1f s%n", name, (System.nanoTime() - start) / 1e9);
    }
}
