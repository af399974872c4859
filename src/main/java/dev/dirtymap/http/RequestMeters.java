package dev.dirtymap.http;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.springframework.stereotype.Component;

/// What is counted of answers, besides the requests themselves. The values of all labels are known here: none comes
/// from a request.
@Component
class RequestMeters {

    private final Map<String, Counter> problems = new HashMap<>();
    private final Map<ExtentFormat, Counter> extents = new EnumMap<>(ExtentFormat.class);
    private final Map<ExtentFormat, Counter> bytes = new EnumMap<>(ExtentFormat.class);
    private final Counter bits;

    RequestMeters(MeterRegistry registry) {
        for (ProblemType type : ProblemType.values()) {
            problems.put(
                    type.path(),
                    Counter.builder("dirtymap.problems")
                            .description("Refusals and failures, also those within a stream")
                            .tag("type", type.slug())
                            .register(registry));
        }
        for (ExtentFormat format : ExtentFormat.values()) {
            String name = format.name().toLowerCase(Locale.ROOT);
            extents.put(
                    format,
                    Counter.builder("dirtymap.extents.sent")
                            .description("Extents in pages and streams")
                            .tag("format", name)
                            .register(registry));
            bytes.put(format, sent(registry, name));
        }
        bits = sent(registry, "bits");
    }

    private static Counter sent(MeterRegistry registry, String format) {
        return Counter.builder("dirtymap.content.sent")
                .description("Lists of extents and raw bits, before compression")
                .baseUnit("bytes")
                .tag("format", format)
                .register(registry);
    }

    /// A problem was told.
    ///
    /// @param type the path that names its type
    void problem(String type) {
        Objects.requireNonNull(problems.get(type)).increment();
    }

    void extents(ExtentFormat format, long count) {
        Objects.requireNonNull(extents.get(format)).increment((double) count);
    }

    /// Where to write a list of extents, so that its bytes are counted.
    OutputStream counted(ExtentFormat format, OutputStream out) {
        return counted(Objects.requireNonNull(bytes.get(format)), out);
    }

    /// Where to write raw bits, so that their bytes are counted.
    OutputStream countedBits(OutputStream out) {
        return counted(bits, out);
    }

    private static OutputStream counted(Counter counter, OutputStream out) {
        return new FilterOutputStream(out) {
            @Override
            public void write(int b) throws IOException {
                out.write(b);
                counter.increment();
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                out.write(bytes, offset, length);
                counter.increment(length);
            }
        };
    }
}
