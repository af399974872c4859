package dev.dirtymap.bench;

import dev.dirtymap.bench.Connection.Answer;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// One bitmap as a list, in pages, and summed up.
final class BitmapCases {

    /// Every second granule of 1 TiB is dirty: the most extents that there can be.
    static final String HALF = "half";

    private static final String WIDE = "wide";
    private static final double NDJSON_RATIO = 12;
    private static final double FIRST_BYTE = 0.030;
    private static final long PEAK_BYTES = 300_000_000;

    /// What may lie between two formats that are as quick as each other.
    private static final double TOLERANCE = 1.05;

    private static final int WARM_REQUESTS = 3000;
    private static final double WIDE_SECONDS = 0.040;
    private static final long PAUSE_MILLIS = 150;
    private static final double TOTALS_RATIO = 20;
    private static final double PAGE_SECONDS = 0.003;
    private static final double SAME = 1.25;

    private final Bench bench;

    /// The largest list as NDJSON, and that of the peer.
    private final Runs ours = new Runs();

    private final Runs theirs = new Runs();

    BitmapCases(Bench bench) {
        this.bench = bench;
    }

    void create() throws IOException, InterruptedException {
        bench.create(HALF, bench.tebibytes(1), Bits.spread(bench.granules(), bench.granules() / 2));
        bench.create(WIDE, bench.tebibytes(64), Bits.everyCluster(bench.granules() * 64, 5000));
    }

    /// How long all extents of the largest list took, after [#list].
    Runs ours() {
        return ours;
    }

    /// How long they took the peer.
    Runs theirs() {
        return theirs;
    }

    /// All extents of the largest list, in each format.
    void list() throws IOException, InterruptedException {
        Map<String, Runs> formats = new LinkedHashMap<>();
        formats.put(Bench.NDJSON, ours);
        for (String format : List.of("text/plain", "text/csv", "application/cbor")) {
            formats.put(format, new Runs());
        }
        Runs first = new Runs();
        Listed listed;
        long peerPeak;
        String url = bench.url(Bench.extents(HALF));
        try (Peer peer = new Peer(bench, HALF)) {
            listed = bench.requireSame(HALF, peer);
            for (String format : formats.keySet()) {
                Curl.get(url, format);
            }
            bench.service().forgetPeak();
            for (int run = 0; run < bench.longRuns(); run++) {
                for (Map.Entry<String, Runs> format : formats.entrySet()) {
                    Curl curl = Curl.get(url, format.getKey());
                    format.getValue().add(curl.total());
                    if (format.getKey().equals(Bench.NDJSON)) {
                        first.add(curl.firstByte());
                    }
                }
                theirs.add(peer.map());
            }
            peerPeak = peer.peakBytes();
        }
        long peak = bench.service().peakBytes();
        formats.remove(Bench.NDJSON);
        String what = "1 TiB, %,d extents".formatted(listed.ranges());
        bench.add(
                Row.against(
                        what + ", NDJSON",
                        "≥ 12×",
                        ours,
                        "`nbdinfo --json --map`",
                        theirs,
                        ours.timesFasterThan(theirs) >= NDJSON_RATIO));
        bench.add(
                Row.alone(
                        "– its first byte",
                        "< 30 ms",
                        first.toString(),
                        first.median() < FIRST_BYTE));
        bench.add(
                new Row(
                        "– peak memory (RSS), all formats",
                        "< 300 MB",
                        Memory.text(peak),
                        "`nbdinfo`: " + Memory.text(peerPeak),
                        "",
                        Row.Verdict.of(peak < PEAK_BYTES)));
        formats.forEach((format, runs) -> {
            String name = "the same, `%s`".formatted(format);
            bench.add(
                    format.startsWith("text/")
                            ? Row.alone(
                                    name,
                                    "no slower than NDJSON (within 5 %)",
                                    runs.toString(),
                                    runs.median() <= ours.median() * TOLERANCE)
                            : Row.reported(name, runs.toString()));
        });
    }

    /// A huge disk with few extents, each cluster of whose bitmap has to be read.
    void wide() throws IOException, InterruptedException {
        Runs ours = new Runs();
        Runs theirs = new Runs();
        Listed listed;
        String url = bench.url(Bench.extents(WIDE));
        try (Peer peer = new Peer(bench, WIDE)) {
            listed = bench.requireSame(WIDE, peer);
            warm();
            for (int i = 0; i < 10; i++) {
                pausedGet(url);
            }
            bench.alternate(bench.shortRuns(), () -> pausedGet(url), ours, peer::map, theirs);
        }
        bench.add(
                Row.against(
                        "64 TiB, %,d extents, NDJSON".formatted(listed.ranges()),
                        "< 40 ms, and faster than the peer",
                        ours,
                        "`nbdinfo --json --map`",
                        theirs,
                        ours.median() < WIDE_SECONDS && ours.timesFasterThan(theirs) > 1));
    }

    /// Small lists of any place: what each request takes before the first bit is read is half as much in a service
    /// that has answered some thousands.
    private void warm() throws IOException {
        long tebibytes = bench.tebibytes(64);
        int count = bench.quick() ? 100 : WARM_REQUESTS;
        try (Connection connection = new Connection(bench.service().port())) {
            for (int i = 0; i < count; i++) {
                long offset = tebibytes / count * i & -Bench.GRANULE;
                String path = Bench.extents(WIDE) + "?limit=20&offset=" + offset;
                Answer answer = connection.get(path, Bench.NDJSON);
                if (answer.status() != 200) {
                    throw new IllegalStateException(answer.text());
                }
            }
        }
    }

    private static double pausedGet(String url) throws IOException, InterruptedException {
        Thread.sleep(PAUSE_MILLIS);
        return Curl.get(url, Bench.NDJSON).total();
    }

    void totals() throws IOException, InterruptedException {
        Runs ours = new Runs();
        Runs theirs = new Runs();
        String path = Bench.bitmap(HALF);
        try (Peer peer = new Peer(bench, HALF);
                Connection connection = new Connection(bench.service().port())) {
            long dirty = bench.service().get(path).path("dirtyBytes").asLong();
            long counted = peer.dirtyBytes();
            if (dirty != counted) {
                throw new IllegalStateException(
                        "dirty bytes: ours are %d, those of the peer %d".formatted(dirty, counted));
            }
            for (int i = 0; i < 50; i++) {
                seconds(connection, path);
            }
            bench.alternate(
                    bench.longRuns(), () -> seconds(connection, path), ours, peer::totals, theirs);
        }
        bench.add(
                Row.against(
                        "totals of 1 TiB, half of it dirty",
                        "≥ 20×",
                        ours,
                        "`nbdinfo --map --totals`",
                        theirs,
                        ours.timesFasterThan(theirs) >= TOTALS_RATIO));
    }

    private static double seconds(Connection connection, String path) throws IOException {
        long start = System.nanoTime();
        Answer answer = connection.get(path);
        double seconds = (System.nanoTime() - start) / 1e9;
        if (answer.status() != 200) {
            throw new IllegalStateException(answer.text());
        }
        return seconds;
    }

    /// The first page of a thousand extents at three places.
    void pages() throws IOException, InterruptedException {
        long size = bench.tebibytes(1);
        long page = 2000 * Bench.GRANULE;
        Map<String, Long> places = new LinkedHashMap<>();
        places.put("start", 0L);
        places.put("middle", size / 2);
        places.put("end", size - page);
        Map<String, Runs> runs = new LinkedHashMap<>();
        places.keySet().forEach(place -> runs.put(place, new Runs()));
        int count = bench.quick() ? 20 : 200;
        try (Connection connection = new Connection(bench.service().port())) {
            for (int i = -count; i < count; i++) {
                for (Map.Entry<String, Long> place : places.entrySet()) {
                    String path = Bench.extents(HALF) + "?limit=1000&offset=" + place.getValue();
                    // A client that does something with its page.
                    Thread.sleep(4);
                    double seconds = seconds(connection, path);
                    if (i >= 0) {
                        runs.getOrDefault(place.getKey(), new Runs()).add(seconds);
                    }
                }
            }
        }
        double quickest = runs.values().stream().mapToDouble(Runs::median).min().orElse(0);
        double slowest = runs.values().stream().mapToDouble(Runs::median).max().orElse(0);
        runs.forEach((place, times) ->
                bench.add(
                        Row.alone(
                                "a page of 1,000 of 8.4 M extents, at the " + place,
                                "median < 3 ms",
                                "median %s ms, p99 %s ms"
                                        .formatted(
                                                Runs.digits(times.median() * 1e3),
                                                Runs.digits(times.quantile(0.99) * 1e3)),
                                times.median() < PAGE_SECONDS)));
        bench.add(
                Row.alone(
                        "– slowest of the three places to quickest",
                        "the same (within 25 %)",
                        Row.times(slowest / quickest),
                        slowest <= quickest * SAME));
    }

    /// The path of a small page anywhere in the largest list.
    String anyPage(Random random) {
        return Bench.extents(HALF)
                + "?limit=100&offset="
                + random.nextLong(bench.granules()) * Bench.GRANULE;
    }
}
