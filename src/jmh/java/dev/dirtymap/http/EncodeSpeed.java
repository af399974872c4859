package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import tools.jackson.databind.json.JsonMapper;

/// Writing 8.4 million extents in each format.
@State(Scope.Benchmark)
public class EncodeSpeed {

    private static final long EXTENTS = 1 << 23;
    private static final long GRANULE = 1 << 16;

    @Param({"ndjson", "csv", "text", "cbor"})
    public String format = "ndjson";

    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.MILLISECONDS)
    public long encode() throws IOException {
        var counted = new Counted();
        var columns = new LineWriter.Columns(false, false, false);
        ExtentWriter writer =
                switch (format) {
                    case "ndjson" -> new NdjsonWriter(counted, JsonMapper.shared());
                    case "csv" -> new LineWriter(counted, true, columns);
                    case "text" -> new LineWriter(counted, false, columns);
                    case "cbor" -> new CborWriter(counted);
                    default -> throw new IllegalArgumentException("no format: " + format);
                };
        writer.head(JsonMapper.shared().createObjectNode());
        for (long extent = 0; extent < EXTENTS; extent++) {
            writer.extent(ExtentBody.of(extent * 2 * GRANULE, GRANULE, null));
        }
        writer.end(new ExtentWriter.End("", EXTENTS, EXTENTS * GRANULE));
        writer.flush();
        return counted.bytes;
    }

    private static final class Counted extends OutputStream {

        private long bytes;

        @Override
        public void write(int value) {
            bytes++;
        }

        @Override
        public void write(byte[] values, int from, int length) {
            bytes += length;
        }
    }
}
