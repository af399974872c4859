package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.Collections;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;

/// Combining bitmaps of 1 TiB: one into another as a merge does it, and eight while they are read.
public class MergeSpeed {

    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.MILLISECONDS)
    public long merge() throws IOException {
        Geometry geometry = HalfDirty.GEOMETRY;
        var own = new Content.Source(HalfDirty.bits(), geometry);
        var other = new Content.Source(HalfDirty.bits(), geometry);
        long[] mixed = {0};
        Content.of(own)
                .union(Content.of(other), geometry.granularityBits())
                .evaluate(
                        geometry,
                        own,
                        (_, kind, _) -> mixed[0] += kind == Content.Kind.MIXED ? 1 : 0);
        return mixed[0];
    }

    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.MILLISECONDS)
    public Totals unionOfEight() throws IOException {
        var operand = new Algebra.Operand(HalfDirty.bits(), HalfDirty.GEOMETRY);
        var union = new Algebra(Algebra.Operation.UNION, Collections.nCopies(8, operand));
        return Totals.of(union, union.geometry());
    }
}
