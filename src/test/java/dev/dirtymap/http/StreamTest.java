package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.ExtentStream.IncompleteException;
import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ImageCorpus;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Range;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// The same list of extents in every representation and shape, and what belongs to a stream besides.
class StreamTest {

    private static final long GRANULARITY = 65536;
    private static final long MIB = 1L << 20;

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);
    private static final Path FOLDER = SERVER.newFolder();
    private static final List<String> TYPES = ExtentStream.TYPES;

    private static String extents = "";
    private static DirtyRanges exact = new DirtyRanges(0, List.of());

    @BeforeAll
    static void serve() {
        Case image = ImageCorpus.named("bitmaps-1").get().copyTo(FOLDER);
        assertThat(image.bitmaps().getFirst().granularity()).isEqualTo(GRANULARITY);
        String path = "/v1/images/%s~2F%s".formatted(FOLDER.getFileName(), image.file());
        extents = "%s/bitmaps/%s/extents".formatted(path, image.bitmaps().getFirst().id());
        exact =
                new DirtyRanges(
                        CLIENT.json(path).path("virtualSize").asLong(),
                        image.dirtyRanges().getFirst().stream().filter(Range::dirty).toList());
        assertThat(exact.dirty()).hasSizeGreaterThan(10);
    }

    /// What a client asks for, apart from the representation.
    private record Wish(
            String state, long align, long gap, long maxLength, long offset, long length) {

        static Wish of(Random random) {
            long size = exact.virtualSize();
            long offset = random.nextInt(3) == 0 ? 0 : random.nextLong(size + 1);
            return new Wish(
                    List.of("DIRTY", "CLEAN", "ALL").get(random.nextInt(3)),
                    random.nextBoolean() ? 0 : GRANULARITY << random.nextInt(16),
                    random.nextBoolean() ? 0 : random.nextLong(200 * MIB),
                    random.nextBoolean() ? 0 : 16 * MIB + random.nextLong(200 * MIB),
                    offset,
                    random.nextInt(3) == 0 ? size - offset : random.nextLong(size - offset + 1));
        }

        String query() {
            return "?state=" + state + "&offset=" + offset + "&length=" + length + shape();
        }

        String shape() {
            return (align == 0 ? "" : "&align=" + align)
                    + (gap == 0 ? "" : "&gap=" + gap)
                    + (maxLength == 0 ? "" : "&maxLength=" + maxLength);
        }

        /// The answer, reckoned from what QEMU calls dirty.
        List<Range> extents() {
            List<Range> split = new ArrayList<>();
            for (Range range : widened().within(state, offset, offset + length)) {
                long step = maxLength == 0 ? range.length() : maxLength;
                for (long at = range.offset(); at < range.end(); at += step) {
                    split.add(new Range(at, Math.min(step, range.end() - at), range.dirty()));
                }
            }
            return split;
        }

        DirtyRanges widened() {
            long unit = Math.max(1, align);
            List<Range> joined = new ArrayList<>();
            for (Range range : exact.dirty()) {
                long start = range.offset() / unit * unit;
                long end = Math.min(exact.virtualSize(), Math.ceilDiv(range.end(), unit) * unit);
                if (!joined.isEmpty()
                        && (start <= joined.getLast().end()
                                || start - joined.getLast().end() < gap)) {
                    start = joined.removeLast().offset();
                }
                joined.add(new Range(start, end - start, true));
            }
            return new DirtyRanges(exact.virtualSize(), joined);
        }
    }

    private static ExtentStream stream(String type, String query, String state) {
        Answer answer = CLIENT.get(extents + query, "Accept", type);
        assertThat(answer.status()).as("%s: %s", query, answer.slug()).isEqualTo(200);
        assertThat(answer.header("Content-Type").replaceFirst(";.*", "")).isEqualTo(type);
        try {
            return ExtentStream.read(type, answer.body(), state);
        } catch (IncompleteException e) {
            throw new AssertionError(query, e);
        }
    }

    static LongStream seeds() {
        return LongStream.rangeClosed(1, 12);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void everyRepresentationTellsTheSame(long seed) {
        Random random = new Random(seed);
        for (int i = 0; i < 8; i++) {
            Wish wish = Wish.of(random);
            List<Range> expected = wish.extents();
            String query = wish.query();
            ObjectNode page = (ObjectNode) CLIENT.json(extents + query + "&limit=100000");
            assertThat(DirtyRanges.of(page, wish.state())).as(query).isEqualTo(expected);
            assertThat(page.path("exact").asBoolean())
                    .as(query)
                    .isEqualTo(wish.align() <= GRANULARITY && wish.gap() <= GRANULARITY);
            assertThat(page.path("complete").asBoolean()).isTrue();
            page.remove(List.of("extents", "complete"));
            for (String type : TYPES) {
                ExtentStream stream = stream(type, query, wish.state());
                assertThat(stream.extents()).as("%s %s", type, query).isEqualTo(expected);
                assertThat(stream.isComplete()).isTrue();
                if (!type.startsWith("text/")) {
                    assertThat(stream.head()).as("%s %s", type, query).isEqualTo(page);
                }
            }
        }
    }

    /// Pages and streams by turns, each as long as it likes.
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void whatALimitEndsGoesOnInAnyRepresentation(long seed) {
        Random random = new Random(seed);
        Wish wish = Wish.of(random);
        List<Range> expected = wish.extents();
        List<Range> read = new ArrayList<>();
        String cursor = "";
        long at = wish.offset();
        do {
            String parameters = random.nextBoolean() ? wish.query() : "?state=" + wish.state();
            int limit = 1 + random.nextInt(1 + expected.size() / 3);
            String query =
                    cursor.isEmpty()
                            ? "%s&limit=%d".formatted(wish.query(), limit)
                            : "%s&limit=%d&cursor=%s".formatted(parameters, limit, cursor);
            String type = TYPES.get(random.nextInt(TYPES.size()));
            if (random.nextInt(3) == 0) {
                JsonNode page = CLIENT.json(extents + query);
                assertThat(page.path("offset").asLong()).isEqualTo(at);
                read.addAll(DirtyRanges.of(page, wish.state()));
                cursor = page.path("nextCursor").asString("");
            } else {
                ExtentStream stream = stream(type, query, wish.state());
                if (!type.startsWith("text/")) {
                    assertThat(stream.head().path("offset").asLong()).isEqualTo(at);
                }
                assertThat(stream.extents()).hasSizeLessThanOrEqualTo(limit);
                read.addAll(stream.extents());
                cursor = stream.nextCursor();
            }
            at = cursor.isEmpty() ? at : expected.get(read.size()).offset();
        } while (!cursor.isEmpty());
        assertThat(read).as(wish.query()).isEqualTo(expected);
    }

    /// A list of more extents than a page has by default: 1 MiB in parts of 512 bytes.
    @ParameterizedTest
    @FieldSource("TYPES")
    void hasNoLimitByDefault(String type) {
        String query = "?state=ALL&maxLength=512&length=" + 4 * MIB;
        assertThat(stream(type, query, "ALL").extents()).hasSizeGreaterThanOrEqualTo(8192);
        assertThat(CLIENT.json(extents + query).path("extents").size()).isEqualTo(1000);
    }

    @ParameterizedTest
    @FieldSource("TYPES")
    void anEmptyWindowHasAnEndToo(String type) {
        ExtentStream stream = stream(type, "?offset=" + exact.virtualSize(), "DIRTY");
        assertThat(stream.extents()).isEmpty();
        assertThat(stream.isComplete()).isTrue();
    }

    /// Cut anywhere, and also where a line ends, a stream is known to be incomplete.
    @ParameterizedTest
    @CsvSource({
        "application/x-ndjson, DIRTY",
        "application/x-ndjson, ALL",
        "text/csv, DIRTY",
        "text/csv, ALL",
        "text/plain, DIRTY",
        "text/plain, ALL",
        "application/cbor, DIRTY",
        "application/cbor, ALL"
    })
    void aStreamThatIsCutIsRecognised(String type, String state) throws Exception {
        byte[] whole = CLIENT.get(extents + "?limit=12&state=" + state, "Accept", type).body();
        assertThat(ExtentStream.read(type, whole, state).extents()).isNotEmpty();
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> ExtentStream.read(type, cut, state))
                    .as("%d of %d bytes", length, whole.length)
                    .isInstanceOf(IncompleteException.class);
        }
    }

    @ParameterizedTest
    @FieldSource("TYPES")
    void compressedItIsTheSame(String type) throws IOException {
        String query = "?state=ALL&maxLength=4096&length=" + 4 * MIB;
        Answer plain = CLIENT.get(extents + query, "Accept", type);
        Answer gzip = CLIENT.get(extents + query, "Accept", type, "Accept-Encoding", "gzip");
        assertThat(gzip.header("Content-Encoding")).isEqualTo("gzip");
        assertThat(gzip.header("Vary")).containsIgnoringCase("Accept-Encoding");
        assertThat(gzip.etag()).isEqualTo(plain.etag());
        assertThat(new GZIPInputStream(new ByteArrayInputStream(gzip.body())).readAllBytes())
                .isEqualTo(plain.body());
        assertThat(gzip.body()).hasSizeLessThan(plain.body().length);
    }

    static Stream<String> everyType() {
        return Stream.concat(Stream.of("application/json"), TYPES.stream());
    }

    @ParameterizedTest
    @MethodSource("everyType")
    void headersAreThoseOfAGetAndAreEnough(String type) {
        Answer get = CLIENT.get(extents, "Accept", type);
        Answer head = CLIENT.head(extents, "Accept", type);
        assertThat(head.status()).isEqualTo(200);
        assertThat(head.body()).isEmpty();
        assertThat(head.etag()).isEqualTo(get.etag()).startsWith("W/");
        assertThat(head.header("Content-Type")).isEqualTo(get.header("Content-Type"));
        assertThat(get.header("Vary")).containsIgnoringCase("Accept");
        for (String etag : List.of(get.etag(), get.etag().substring(2), "\"x\", " + get.etag())) {
            Answer same = CLIENT.get(extents, "Accept", type, "If-None-Match", etag);
            assertThat(same.status()).as(etag).isEqualTo(304);
            assertThat(same.body()).isEmpty();
        }
        assertThat(CLIENT.get(extents, "Accept", type, "If-None-Match", "W/\"x\"").status())
                .isEqualTo(200);
    }

    @Test
    void everyAnswerHasItsOwnETag() {
        List<String> etags = new ArrayList<>();
        for (String query :
                List.of("", "?limit=3", "?state=ALL", "?gap=1048576", "?maxLength=4096")) {
            everyType()
                    .forEach(type -> etags.add(CLIENT.get(extents + query, "Accept", type).etag()));
        }
        assertThat(etags).doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "*/* | application/json",
                "application/* | application/json",
                "text/* | text/csv",
                "text/plain | text/plain",
                "text/csv;charset=UTF-8 | text/csv",
                "text/csv;q=0.5, text/plain;q=0.9 | text/plain",
                "text/csv;q=0.9, text/plain;q=0.5, */*;q=0.1 | text/csv",
                "application/json;q=0.1, application/cbor | application/cbor",
                "image/png, application/x-ndjson;q=0.2 | application/x-ndjson",
                "*/*;q=0.1, text/plain | text/plain",
                "text/*, text/plain;q=0.1 | text/csv",
                "text/*, text/csv;q=0 | text/plain",
                "*/*, application/json;q=0 | application/x-ndjson",
                "text/*;q=0.3, text/plain | text/plain",
                "APPLICATION/CBOR | application/cbor"
            })
    void theClientChooses(String accept, String type) {
        Answer answer = CLIENT.get(extents, "Accept", accept);
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("Content-Type").replaceFirst(";.*", "")).isEqualTo(type);
    }

    @Test
    void aClientThatSaysNothingGetsAPage() {
        assertThat(CLIENT.json(extents).path("complete").asBoolean()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"image/png", "application/xml, text/html", "text/csv;q=0", "nonsense"})
    void whatNobodyKnowsIsNotAcceptable(String accept) {
        CLIENT.get(extents, "Accept", accept).problem(406, "not-acceptable");
    }

    @ParameterizedTest
    @CsvSource({
        "align=32768, align",
        "align=65537, align",
        "align=98304, align",
        "align=0, align",
        "align=-65536, align",
        "align=9223372036854775808, align",
        "gap=-1, gap",
        "gap=x, gap",
        "maxLength=511, maxLength",
        "maxLength=0, maxLength",
        "limit=0, limit",
        "limit=100001, limit"
    })
    void aBadParameterIsRefusedAsAProblem(String parameter, String name) {
        everyType()
                .forEach(type -> {
                    JsonNode problem =
                            CLIENT.get(extents + "?" + parameter, "Accept", type)
                                    .problem(400, "invalid-request");
                    assertThat(problem.toString()).contains(name);
                });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "align=9223372036854775807",
                "align=65536",
                "align=262144",
                "gap=5",
                "gap=0",
                "maxLength=512",
                "maxLength=9223372036854775807",
                "state=ALL"
            })
    void aCursorBelongsToItsShape(String other) {
        String cursor =
                CLIENT.json(extents + "?limit=1&align=131072&gap=300000&maxLength=4096")
                        .path("nextCursor")
                        .asString();
        assertThat(cursor).isNotEmpty();
        everyType()
                .forEach(type ->
                        CLIENT.get(extents + "?cursor=" + cursor + "&" + other, "Accept", type)
                                .problem(400, "cursor-invalid"));
    }

    /// A list that cannot begin is a problem, whatever was accepted, and not a stream that fails.
    @ParameterizedTest
    @MethodSource("everyType")
    void whatHasNoContentIsAProblem(String type) {
        String path = extents.substring(0, extents.indexOf("/bitmaps"));
        CLIENT.get(path + "/bitmaps/none/extents", "Accept", type).problem(404, "bitmap-not-found");
        CLIENT.get("/v1/images/none/bitmaps/a/extents", "Accept", type)
                .problem(404, "image-not-found");
        CLIENT.get(extents + "?offset=" + (exact.virtualSize() + 1), "Accept", type)
                .problem(416, "range-not-satisfiable");
        Answer head = CLIENT.head(path + "/bitmaps/none/extents", "Accept", type);
        assertThat(head.status()).isEqualTo(404);
        assertThat(head.header("Content-Type")).startsWith("application/problem+json");
    }

    /// Bits that cannot be trusted, or an image that a machine has, are no stream either.
    @ParameterizedTest
    @MethodSource("everyType")
    void bitsThatCannotBeReadAreAProblem(String type) throws IOException {
        Path folder = SERVER.newFolder();
        QemuImg qemuImg = new QemuImg(folder);
        qemuImg.create("disk.qcow2", "1G");
        qemuImg.bitmapAdd("disk.qcow2", "a", GRANULARITY, true);
        QemuIo.run(folder.resolve("disk.qcow2"), "discard 0 64k");
        String there =
                "/v1/images/%s~2Fdisk.qcow2/bitmaps/a/extents".formatted(folder.getFileName());
        ImageBytes bytes = new ImageBytes(folder.resolve("disk.qcow2"));
        // A wait of two seconds, so once is enough.
        if (type.equals("text/csv")) {
            try (StorageDaemon daemon = StorageDaemon.start(folder)) {
                daemon.open("disk", "disk.qcow2", false);
                CLIENT.get(there, "Accept", type).problem(423, "image-locked");
                daemon.closeNode("disk");
            }
        }
        long flags = bytes.directoryEntry(0) + 12;
        bytes.u32(flags, bytes.u32(flags) | 1);
        CLIENT.get(there, "Accept", type).problem(409, "bitmap-inconsistent");
        bytes.u32(flags, bytes.u32(flags) & ~1);
        bytes.u64(bytes.bitmapTable(0), 3);
        CLIENT.get(there, "Accept", type).problem(409, "bitmap-corrupt");
        // A version that nobody knows.
        bytes.u32(4, 9);
        CLIENT.get(there, "Accept", type).problem(422, "image-unreadable");
    }

    @Test
    void theRowsAreForShellLoops() {
        String query = "?limit=1&state=ALL&length=65536";
        Range first = exact.within("ALL", 0, GRANULARITY).getFirst();
        String state = first.dirty() ? "dirty" : "clean";
        assertThat(new String(CLIENT.get(extents + query, "Accept", "text/csv").body(), UTF_8))
                .isEqualTo(
                        "offset,length,state\n0,65536,%s\n# complete extents=1 dirtyBytes=%d\n"
                                .formatted(state, first.dirty() ? GRANULARITY : 0));
    }
}
