package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.testimages.BitmapSpec;
import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.LazyCase;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.util.FileSystemUtils;
import tools.jackson.databind.JsonNode;

/// Every image that QEMU makes: what the service says of it is what QEMU says of it.
class CorpusTest {

    private static final String CASES = "dev.dirtymap.testimages.ImageCorpus#cases";

    /// Bitmaps of one image that are looked at in full detail; the others only as lists of extents.
    private static final int SAMPLE = 3;

    private static final List<String> STATES = List.of("DIRTY", "CLEAN", "ALL");

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);
    private static final Path FOLDER = SERVER.newFolder();

    private static final Map<String, List<List<Range>>> EXPORTED = new HashMap<>();

    @AfterAll
    static void remove() throws IOException {
        FileSystemUtils.deleteRecursively(FOLDER);
    }

    /// A copy of a case below the root, made once.
    private static Case served(LazyCase lazy) {
        Path folder = FOLDER.resolve(lazy.name());
        Case original = lazy.get();
        if (Files.isDirectory(folder)) {
            return new Case(
                    original.name(),
                    folder.resolve(original.file()),
                    original.bitmaps(),
                    original.note());
        }
        try {
            return original.copyTo(Files.createDirectory(folder));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String path(Case image) {
        return "/v1/images/%s~2F%s~2F%s"
                .formatted(FOLDER.getFileName(), image.name(), image.file());
    }

    private static String path(Case image, BitmapSpec bitmap) {
        return path(image) + "/bitmaps/" + bitmap.id();
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void imageIsWhatQemuSaysItIs(LazyCase lazy) throws IOException {
        Case image = served(lazy);
        QemuImg qemuImg = new QemuImg(image.folder());
        JsonNode info = qemuImg.info(image.file());
        JsonNode data = info.path("format-specific").path("data");
        JsonNode body = CLIENT.json(path(image));

        assertThat(body.path("id").asString())
                .isEqualTo(
                        "%s~2F%s~2F%s".formatted(FOLDER.getFileName(), image.name(), image.file()));
        assertThat(body.path("name").asString())
                .isEqualTo("%s/%s/%s".formatted(FOLDER.getFileName(), image.name(), image.file()));
        assertThat(body.path("state").asString()).isEqualTo("AVAILABLE");
        assertThat(body.path("version").asInt())
                .isEqualTo(data.path("compat").asString().equals("0.10") ? 2 : 3);
        assertThat(body.path("virtualSize").asLong()).isEqualTo(info.path("virtual-size").asLong());
        assertThat(body.path("fileSize").asLong()).isEqualTo(Files.size(image.image()));
        assertThat(body.path("allocatedSize").asLong())
                .isEqualTo(info.path("actual-size").asLong());
        assertThat(body.path("clusterSize").asLong()).isEqualTo(info.path("cluster-size").asLong());
        assertThat(body.path("refcountBits").asInt()).isEqualTo(data.path("refcount-bits").asInt());
        assertThat(body.path("compression").asString())
                .isEqualToIgnoringCase(data.path("compression-type").asString());
        assertThat(body.path("extendedL2").asBoolean())
                .isEqualTo(data.path("extended-l2").asBoolean(false));
        assertThat(body.path("encryption").asString())
                .isEqualToIgnoringCase(data.path("encrypt").path("format").asString("none"));
        assertThat(body.path("snapshotCount").asInt()).isEqualTo(info.path("snapshots").size());
        assertThat(body.path("opensInQemu").asBoolean())
                .isEqualTo(qemuImg.opens(image.file()).opens());

        assertText(body.path("backingFile").path("name"), info.path("backing-filename"));
        assertText(body.path("backingFile").path("format"), info.path("backing-filename-format"));
        assertText(body.path("dataFile").path("name"), data.path("data-file"));
        assertThat(body.path("dataFile").path("raw").asBoolean(false))
                .isEqualTo(data.path("data-file-raw").asBoolean(false));

        JsonNode features = body.path("features");
        assertThat(texts(features.path("incompatible")).contains("DIRTY"))
                .isEqualTo(info.path("dirty-flag").asBoolean());
        assertThat(texts(features.path("incompatible")).contains("CORRUPT"))
                .isEqualTo(data.path("corrupt").asBoolean(false));
        assertThat(texts(features.path("incompatible")).contains("DATA_FILE"))
                .isEqualTo(data.has("data-file"));
        assertThat(texts(features.path("compatible")).contains("LAZY_REFCOUNTS"))
                .isEqualTo(data.path("lazy-refcounts").asBoolean(false));
        assertThat(texts(features.path("autoclear")).contains("BITMAPS"))
                .isEqualTo(data.has("bitmaps"));

        boolean orphaned = in(image, BitmapSpec.State.ORPHANED);
        assertThat(body.path("bitmapCount").asInt()).isEqualTo(image.bitmaps().size());
        assertThat(body.path("bitmapsState").asString())
                .isEqualTo(orphaned ? "ORPHANED" : image.bitmaps().isEmpty() ? "NONE" : "VALID");
        assertThat(body.has("reason")).isEqualTo(orphaned);
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void bitmapsAreWhatQemuSaysTheyAre(LazyCase lazy) {
        Case image = served(lazy);
        JsonNode known =
                new QemuImg(image.folder())
                        .info(image.file())
                        .path("format-specific")
                        .path("data")
                        .path("bitmaps");
        List<JsonNode> listed = bitmaps(image);

        assertThat(listed).hasSameSizeAs(image.bitmaps());
        for (int i = 0; i < listed.size(); i++) {
            JsonNode bitmap = listed.get(i);
            BitmapSpec spec = image.bitmaps().get(i);
            assertThat(bitmap.path("id").asString()).isEqualTo(spec.id());
            assertThat(bitmap.path("name").asString()).isEqualTo(new String(spec.name(), UTF_8));
            assertThat(bitmap.path("type").asString()).isEqualTo("DIRTY_TRACKING");
            assertThat(bitmap.path("granularity").asLong()).isEqualTo(spec.granularity());
            assertThat(bitmap.path("enabled").asBoolean()).isEqualTo(spec.enabled());
            assertThat(bitmap.path("state").asString()).isEqualTo(spec.state().name());
            assertThat(bitmap.has("reason")).isEqualTo(spec.state() != BitmapSpec.State.CONSISTENT);
            assertThat(bitmap.has("dirtyBytes")).isFalse();
            assertThat(bitmap.has("dirtyExtents")).isFalse();
        }

        if (in(image, BitmapSpec.State.ORPHANED)) {
            assertThat(known.isMissingNode()).isTrue();
            return;
        }
        assertThat(known.size()).isEqualTo(listed.size());
        for (int i = 0; i < listed.size(); i++) {
            JsonNode bitmap = listed.get(i);
            assertThat(bitmap.path("granularity").asLong())
                    .isEqualTo(known.get(i).path("granularity").asLong());
            List<String> flags = texts(known.get(i).path("flags"));
            assertThat(bitmap.path("enabled").asBoolean()).isEqualTo(flags.contains("auto"));
            assertThat(bitmap.path("state").asString().equals("INCONSISTENT"))
                    .isEqualTo(flags.contains("in-use"));
            String name = bitmap.path("name").asString();
            if (name.indexOf('\uFFFD') < 0) {
                assertThat(name).isEqualTo(known.get(i).path("name").asString());
            }
        }
    }

    /// A list in pages of three, with other ways to ask for a bitmap held against it.
    private static List<JsonNode> bitmaps(Case image) {
        JsonNode whole = CLIENT.json(path(image) + "/bitmaps");
        assertThat(whole.has("nextCursor")).isFalse();
        List<JsonNode> listed = new ArrayList<>();
        whole.path("bitmaps").forEach(listed::add);

        List<JsonNode> paged = new ArrayList<>();
        JsonNode page = CLIENT.json(path(image) + "/bitmaps?limit=3");
        page.path("bitmaps").forEach(paged::add);
        while (page.has("nextCursor")) {
            page =
                    CLIENT.json(
                            path(image)
                                    + "/bitmaps?limit=3&cursor="
                                    + page.path("nextCursor").asString());
            assertThat(page.path("bitmaps").size()).isBetween(1, 3);
            page.path("bitmaps").forEach(paged::add);
        }
        assertThat(paged).isEqualTo(listed);
        return listed;
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void extentsAreWhatQemuExports(LazyCase lazy) {
        Case image = served(lazy);
        long virtualSize = CLIENT.json(path(image)).path("virtualSize").asLong();
        List<List<Range>> exported = exported(image);
        JsonNode totals = CLIENT.json(path(image) + "/bitmaps?include=TOTALS").path("bitmaps");
        for (int i = 0; i < exported.size(); i++) {
            BitmapSpec bitmap = image.consistentBitmaps().get(i);
            DirtyRanges ranges = new DirtyRanges(virtualSize, exported.get(i));
            for (String state : STATES) {
                assertThat(page(image, bitmap, 0, virtualSize, state))
                        .as("%s of %s", state, bitmap.id())
                        .isEqualTo(ranges.within(state, 0, virtualSize));
            }
            JsonNode one = CLIENT.json(path(image, bitmap));
            assertThat(one.path("dirtyBytes").asLong(-1)).isEqualTo(ranges.dirtyBytes());
            assertThat(one.path("dirtyExtents").asLong(-1)).isEqualTo(ranges.dirty().size());
            assertThat(totals.get(image.bitmaps().indexOf(bitmap))).isEqualTo(one);
        }
    }

    /// One page of a window that is given in full, and speaks for all of it.
    private static List<Range> page(
            Case image, BitmapSpec bitmap, long from, long to, String state) {
        JsonNode page =
                CLIENT.json(
                        "%s/extents?limit=100000&state=%s&offset=%d&length=%d"
                                .formatted(path(image, bitmap), state, from, to - from));
        assertThat(page.path("imageId").asString())
                .isEqualTo(path(image).substring("/v1/images/".length()));
        assertThat(page.path("bitmapId").asString()).isEqualTo(bitmap.id());
        assertThat(page.path("granularity").asLong()).isEqualTo(bitmap.granularity());
        assertThat(page.path("exact").asBoolean()).isTrue();
        assertThat(page.path("offset").asLong()).isEqualTo(from);
        assertThat(page.path("length").asLong()).isEqualTo(to - from);
        assertThat(page.path("complete").asBoolean()).isTrue();
        assertThat(page.has("nextCursor")).isFalse();
        return DirtyRanges.of(page, state);
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void pagesAndWindowsTile(LazyCase lazy) {
        Case image = served(lazy);
        long seed = lazy.name().hashCode();
        System.out.println(lazy.name() + ": seed " + seed);
        Random random = new Random(seed);
        for (Sample sample : samples(image, random)) {
            DirtyRanges ranges = sample.ranges;
            for (String state : STATES) {
                for (int i = 0; i < 2; i++) {
                    long from = random.nextLong(ranges.virtualSize() + 1);
                    long to = from + random.nextLong(ranges.virtualSize() - from + 1);
                    assertThat(page(image, sample.bitmap, from, to, state))
                            .as("%s of %s from %d to %d", state, sample.bitmap.id(), from, to)
                            .isEqualTo(ranges.within(state, from, to));
                }
            }
            for (int limit : List.of(1, 2, 7, 1000)) {
                String state = STATES.get(random.nextInt(STATES.size()));
                long from = random.nextBoolean() ? 0 : random.nextLong(ranges.virtualSize());
                walk(image, sample, state, from, limit, random);
            }
        }
    }

    /// Reads some pages, with parameters repeated, left out and changed as a cursor allows.
    private static void walk(
            Case image, Sample sample, String state, long from, int limit, Random random) {
        long virtualSize = sample.ranges.virtualSize();
        String query = "state=%s&offset=%d".formatted(state, from);
        String first = "%s/extents?%s&limit=%d".formatted(path(image, sample.bitmap), query, limit);
        List<Range> read = new ArrayList<>();
        long at = from;
        String next = first;
        for (int pages = 0; pages < 6; pages++) {
            JsonNode page = CLIENT.json(next);
            int asked = next.contains("limit=77") ? 77 : limit;
            List<Range> extents = DirtyRanges.of(page, state);
            assertThat(extents).hasSizeLessThanOrEqualTo(asked);
            assertThat(page.path("offset").asLong()).isEqualTo(at);
            at += page.path("length").asLong();
            read.addAll(extents);
            boolean complete = page.path("complete").asBoolean();
            assertThat(page.has("nextCursor")).isEqualTo(!complete);
            if (complete) {
                assertThat(at).isEqualTo(virtualSize);
                break;
            }
            String cursor = page.path("nextCursor").asString();
            assertThat(cursor).matches("[A-Za-z0-9_-]{1,512}");
            next =
                    switch (random.nextInt(3)) {
                        case 0 -> first + "&cursor=" + cursor;
                        case 1 ->
                                "%s/extents?cursor=%s&limit=%d"
                                        .formatted(path(image, sample.bitmap), cursor, limit);
                        default ->
                                "%s/extents?cursor=%s&limit=77&state=%s"
                                        .formatted(path(image, sample.bitmap), cursor, state);
                    };
        }
        assertThat(read)
                .as("%s, limit %d, from %d to %d", first, limit, from, at)
                .isEqualTo(sample.ranges.within(state, from, at));
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void bitsSayWhatExtentsSay(LazyCase lazy) {
        Case image = served(lazy);
        long seed = ~lazy.name().hashCode();
        System.out.println(lazy.name() + ": seed " + seed);
        Random random = new Random(seed);
        for (Sample sample : samples(image, random)) {
            String bits = path(image, sample.bitmap) + "/bits";
            long granularity = sample.bitmap.granularity();
            long total = sample.ranges.bitBytes(granularity);
            if (total <= 1 << 20) {
                Answer whole = CLIENT.get(bits);
                assertThat(whole.status()).isEqualTo(200);
                assertThat(whole.header("Bitmap-Granularity")).isEqualTo("" + granularity);
                assertThat(whole.header("Bitmap-Virtual-Size"))
                        .isEqualTo("" + sample.ranges.virtualSize());
                assertThat(Arrays.equals(whole.body(), sample.ranges.bits(granularity, 0, total)))
                        .isTrue();
            }
            for (int i = 0; i < 5; i++) {
                long from = random.nextLong(total);
                if (i % 2 == 1 && !sample.ranges.dirty().isEmpty()) {
                    // Chance would hardly ever hit a dirty granule of a huge disk.
                    List<Range> dirty = sample.ranges.dirty();
                    from = dirty.get(random.nextInt(dirty.size())).offset() / granularity / 8;
                }
                long to = Math.min(total, from + 1 + random.nextInt(64 << 10));
                Answer part = CLIENT.get(bits, "Range", "bytes=%d-%d".formatted(from, to - 1));
                if (to - from < total) {
                    assertThat(part.status()).isEqualTo(206);
                    assertThat(part.header("Content-Range"))
                            .isEqualTo("bytes %d-%d/%d".formatted(from, to - 1, total));
                }
                assertThat(part.body())
                        .as("bytes %d to %d of %s", from, to, sample.bitmap.id())
                        .isEqualTo(sample.ranges.bits(granularity, from, to));
            }
        }
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void contentThatCannotBeTrustedIsRefused(LazyCase lazy) {
        Case image = served(lazy);
        for (BitmapSpec bitmap : image.bitmaps()) {
            String slug =
                    switch (bitmap.state()) {
                        case CONSISTENT -> "";
                        case INCONSISTENT -> "bitmap-inconsistent";
                        case ORPHANED -> "bitmaps-orphaned";
                    };
            if (!slug.isEmpty()) {
                CLIENT.get(path(image, bitmap) + "/extents").problem(409, slug);
                CLIENT.get(path(image, bitmap) + "/bits").problem(409, slug);
                JsonNode one = CLIENT.json(path(image, bitmap));
                assertThat(one.path("state").asString()).isEqualTo(bitmap.state().name());
                assertThat(one.has("dirtyBytes")).isFalse();
                assertThat(one.path("reason").asString()).isNotEmpty();
            }
        }
        CLIENT.get(path(image) + "/bitmaps/absent").problem(404, "bitmap-not-found");
        CLIENT.get(path(image) + "/bitmaps/absent/extents").problem(404, "bitmap-not-found");
        CLIENT.get(path(image) + "/bitmaps/absent/bits").problem(404, "bitmap-not-found");
    }

    /// What QEMU exports of each bitmap that it trusts, asked once.
    private static List<List<Range>> exported(Case image) {
        return EXPORTED.computeIfAbsent(image.name(), _ -> image.dirtyRanges());
    }

    private record Sample(BitmapSpec bitmap, DirtyRanges ranges) {}

    /// The first, the last and a chance bitmap of those that can be read.
    private static List<Sample> samples(Case image, Random random) {
        List<BitmapSpec> consistent = image.consistentBitmaps();
        if (consistent.isEmpty()) {
            return List.of();
        }
        List<Integer> chosen =
                new ArrayList<>(IntStream.range(0, consistent.size()).boxed().toList());
        while (chosen.size() > SAMPLE) {
            int index = 1 + random.nextInt(chosen.size() - 2);
            chosen.subList(index, index + 1).clear();
        }
        long virtualSize = new ImageBytes(image.image()).u64(24) / 512 * 512;
        return chosen.stream()
                .map(i ->
                        new Sample(
                                consistent.get(i),
                                new DirtyRanges(virtualSize, exported(image).get(i))))
                .toList();
    }

    private static boolean in(Case image, BitmapSpec.State state) {
        return image.bitmaps().stream().anyMatch(bitmap -> bitmap.state() == state);
    }

    private static List<String> texts(JsonNode array) {
        List<String> texts = new ArrayList<>();
        array.forEach(text -> texts.add(text.asString()));
        return texts;
    }

    private static void assertText(JsonNode ours, JsonNode theirs) {
        assertThat(ours.isMissingNode()).isEqualTo(theirs.isMissingNode());
        assertThat(ours.asString("")).isEqualTo(theirs.asString(""));
    }
}
