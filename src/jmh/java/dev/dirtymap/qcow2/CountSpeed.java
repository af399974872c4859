package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;

/// Counting what is dirty in 1 TiB.
public class CountSpeed {

    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.MILLISECONDS)
    public Totals count() throws IOException {
        return Totals.of(HalfDirty.bits(), HalfDirty.GEOMETRY);
    }
}
