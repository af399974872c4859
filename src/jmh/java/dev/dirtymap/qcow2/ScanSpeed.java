package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;

/// Finding 8.4 million extents in the bits of 1 TiB.
public class ScanSpeed {

    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.MILLISECONDS)
    public long scan() throws IOException {
        Geometry geometry = HalfDirty.GEOMETRY;
        var scanner =
                new ExtentScanner(
                        HalfDirty.bits(),
                        geometry,
                        ExtentScanner.Selection.DIRTY,
                        0,
                        geometry.virtualSize());
        long bytes = 0;
        for (Extent next = scanner.next(); next != null; next = scanner.next()) {
            bytes += next.length();
        }
        return bytes;
    }
}
