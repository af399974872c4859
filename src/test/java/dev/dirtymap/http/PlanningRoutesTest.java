package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.testimages.BitmapSpec;
import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.LazyCase;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Range;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.util.FileSystemUtils;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Splits and heatmaps of the images that QEMU makes, as numbers and as a picture.
class PlanningRoutesTest {

    private static final String CASES = "dev.dirtymap.testimages.ImageCorpus#cases";

    private static final String SVG = "image/svg+xml";

    /// Where the bars stand, and the height of one that is all dirty.
    private static final Pattern BAR =
            Pattern.compile("M([0-9.]+) 270v-([0-9.]+)h([0-9.]+)v([0-9.]+)z");

    private static final double FULL = 186;

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private final Path folder = SERVER.newFolder();
    private final QemuImg qemuImg = new QemuImg(folder);

    @AfterEach
    void remove() throws IOException {
        FileSystemUtils.deleteRecursively(folder);
    }

    private String bitmap(String file, BitmapSpec bitmap) {
        return bitmap(file, bitmap.id());
    }

    private String bitmap(String file, String id) {
        return "/v1/images/%s~2F%s/bitmaps/%s".formatted(folder.getFileName(), file, id);
    }

    @ParameterizedTest
    @MethodSource(CASES)
    void splitsAndHeatmapsAreWhatQemuExports(LazyCase lazy) {
        Case image = lazy.get().copyTo(folder);
        List<List<Range>> exported = image.dirtyRanges();
        long virtualSize = new ImageBytes(image.image()).u64(24) / 512 * 512;
        for (int i = 0; i < exported.size(); i++) {
            // The others differ in nothing that matters here; each case costs dozens of requests.
            if (i > 0 && i < exported.size() - 1) {
                continue;
            }
            BitmapSpec spec = image.consistentBitmaps().get(i);
            String path = bitmap(image.file(), spec);
            DirtyRanges ranges = new DirtyRanges(virtualSize, exported.get(i));
            for (int count : new int[] {3, 8}) {
                String query = count == 8 ? "" : "?count=" + count;
                assertSplits(CLIENT.json(path + "/splits" + query), count, spec, ranges);
            }
            for (int buckets : new int[] {7, 256}) {
                String query = buckets == 256 ? "" : "?buckets=" + buckets;
                JsonNode heatmap = CLIENT.json(path + "/heatmap" + query);
                assertHeatmap(heatmap, buckets, ranges);
                assertPicture(
                        CLIENT.get(path + "/heatmap" + query, "Accept", SVG), heatmap, virtualSize);
            }
        }
    }

    private static void assertSplits(
            JsonNode body, int count, BitmapSpec spec, DirtyRanges ranges) {
        long granularity = spec.granularity();
        long granules = Math.ceilDiv(ranges.dirtyBytes(), granularity);
        long size = ranges.virtualSize() == 0 ? 0 : Math.clamp(granules, 1, count);
        assertThat(body.path("splits").size()).isEqualTo((int) size);
        long at = 0;
        for (JsonNode split : body.path("splits")) {
            assertThat(split.path("offset").asLong()).isEqualTo(at);
            assertThat(at % granularity).isZero();
            assertThat(split.path("length").asLong()).isPositive();
            long end = at + split.path("length").asLong();
            long dirty = split.path("dirtyBytes").asLong(-1);
            assertThat(dirty).isEqualTo(dirtyBytes(ranges, at, end));
            assertThat(Math.ceilDiv(dirty, granularity))
                    .isBetween(granules / size, Math.ceilDiv(granules, size));
            at = end;
        }
        assertThat(at).isEqualTo(ranges.virtualSize());
    }

    private static long dirtyBytes(DirtyRanges ranges, long from, long to) {
        long dirty = 0;
        for (Range range : ranges.dirty()) {
            dirty += Math.max(0, Math.min(to, range.end()) - Math.max(from, range.offset()));
        }
        return dirty;
    }

    private static void assertHeatmap(JsonNode heatmap, int buckets, DirtyRanges ranges) {
        long length = heatmap.path("bucketLength").asLong();
        assertThat(length % 512).isZero();
        assertThat(length).isPositive();
        assertThat(length * buckets).isGreaterThanOrEqualTo(ranges.virtualSize());
        assertThat((length - 512) * buckets).isLessThanOrEqualTo(ranges.virtualSize());
        List<Long> expected = new ArrayList<>();
        for (long at = 0; at < ranges.virtualSize(); at += length) {
            long end = Math.min(ranges.virtualSize(), at + length);
            expected.add(dirtyBytes(ranges, at, end));
        }
        assertThat(numbers(heatmap)).isEqualTo(expected);
    }

    private static List<Long> numbers(JsonNode heatmap) {
        List<Long> numbers = new ArrayList<>();
        heatmap.path("dirtyBytes").forEach(number -> numbers.add(number.asLong(-1)));
        return numbers;
    }

    /// The picture is XML without anything but shapes and text, with one bar for each slice that is dirty.
    private static Document assertPicture(Answer answer, JsonNode heatmap, long virtualSize) {
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).startsWith(SVG);
        Document picture = parse(answer.body());
        NodeList elements = picture.getElementsByTagName("*");
        Set<String> names = new TreeSet<>();
        for (int i = 0; i < elements.getLength(); i++) {
            names.add(elements.item(i).getNodeName());
            Element element = (Element) elements.item(i);
            for (int a = 0; a < element.getAttributes().getLength(); a++) {
                assertThat(element.getAttributes().item(a).getNodeName())
                        .doesNotStartWith("on")
                        .doesNotContain("href");
            }
        }
        assertThat(names).containsExactly("desc", "path", "rect", "svg", "text", "title");

        long length = heatmap.path("bucketLength").asLong();
        List<Long> dirty = numbers(heatmap);
        List<MatchResult> bars = BAR.matcher(new String(answer.body(), UTF_8)).results().toList();
        int bar = 0;
        for (int i = 0; i < dirty.size(); i++) {
            if (dirty.get(i) > 0) {
                MatchResult drawn = bars.get(bar++);
                double share = (double) dirty.get(i) / Math.min(length, virtualSize - i * length);
                assertThat(Double.parseDouble(drawn.group(2)))
                        .isCloseTo(Math.max(1, FULL * share), within(0.06))
                        .isLessThanOrEqualTo(FULL);
                assertThat(Double.parseDouble(drawn.group(1)))
                        .isCloseTo(60 + 870.0 * (i * length) / virtualSize, within(0.06));
                assertThat(Double.parseDouble(drawn.group(3))).isPositive();
            }
        }
        assertThat(bars).hasSize(bar);
        return picture;
    }

    private static Document parse(byte[] svg) {
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultNSInstance();
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            DocumentBuilder builder = factory.newDocumentBuilder();
            builder.setErrorHandler(null);
            Document picture = builder.parse(new ByteArrayInputStream(svg));
            assertThat(picture.getDocumentElement().getNamespaceURI())
                    .isEqualTo("http://www.w3.org/2000/svg");
            return picture;
        } catch (ParserConfigurationException | SAXException | IOException e) {
            throw new AssertionError(new String(svg, UTF_8), e);
        }
    }

    private static String title(Document picture) {
        return picture.getElementsByTagName("title").item(0).getTextContent();
    }

    private String disk() {
        qemuImg.create("disk.qcow2", "1G");
        qemuImg.bitmapAdd("disk.qcow2", "a", 65536, true);
        QemuIo.run(folder.resolve("disk.qcow2"), "discard 0 64k", "discard 512M 256M");
        return bitmap("disk.qcow2", "a");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "<script>alert('&\"')</script>",
                "]]>&lt;!-- <x/> &#0; &undefined;",
                "\u0001\u001f\u007f\n\t\u0085",
                "\u202e\u2066turned\u2028\u2029",
                "\ud83d\ude00 \u00e9\u4e2d",
                "\ufffe\uffff\ufdd0",
                "a name that is much longer than there is room for in a picture of a disk & more"
            })
    void anyNameIsText(String name) throws IOException {
        disk();
        String file = "vm<&>'\" .qcow2";
        Files.move(folder.resolve("disk.qcow2"), folder.resolve(file));
        String images =
                "/v1/images/%s~2Fvm~3C~26~3E~27~22~20.qcow2/bitmaps"
                        .formatted(folder.getFileName());
        String id =
                CLIENT.send(
                                "POST",
                                images,
                                JsonMapper.shared().writeValueAsString(Map.of("name", name)))
                        .json(201)
                        .path("id")
                        .asString();
        String path = images + "/" + id + "/heatmap";
        Document picture =
                assertPicture(CLIENT.get(path, "Accept", SVG), CLIENT.json(path), 1L << 30);
        String shown = name.replaceAll("[\\p{Cc}\\p{Cf}\\p{Cn}\\u2028\\u2029]", "\ufffd");
        assertThat(title(picture))
                .isEqualTo(
                        "%s \u2013 dirty parts of %s/%s"
                                .formatted(shown, folder.getFileName(), file));
        assertThat(picture.getElementsByTagName("text").item(0).getTextContent())
                .startsWith(
                        shown.codePointCount(0, shown.length()) > 40
                                ? shown.substring(0, 39) + "\u2026 \u2013"
                                : shown + " \u2013");
    }

    @Test
    void thePictureSaysItInWords() {
        String path = disk() + "/heatmap";
        Answer answer = CLIENT.get(path, "Accept", SVG);
        Document picture = assertPicture(answer, CLIENT.json(path), 1L << 30);
        List<String> texts = new ArrayList<>();
        NodeList elements = picture.getElementsByTagName("text");
        for (int i = 0; i < elements.getLength(); i++) {
            texts.add(elements.item(i).getTextContent());
        }
        assertThat(texts)
                .containsExactly(
                        "a \u2013 dirty parts of %s/disk.qcow2".formatted(folder.getFileName()),
                        "256.1 MiB of 1 GiB dirty (25.0 %), in slices of 4 MiB",
                        "0 %",
                        "25 %",
                        "50 %",
                        "75 %",
                        "100 %",
                        "0",
                        "256 MiB",
                        "512 MiB",
                        "768 MiB",
                        "1 GiB",
                        "offset on the disk");
        assertThat(CLIENT.get(path, "Accept", SVG).body()).isEqualTo(answer.body());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "*/*| json",
                "application/json| json",
                "image/svg+xml| svg",
                "image/*| svg",
                "application/json, image/svg+xml| json",
                "application/json;q=0.5, image/svg+xml| svg",
                "application/json, image/svg+xml;q=0.9| json",
                "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5| svg",
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8| json"
            })
    void whatIsAcceptedMostIsGiven(String accept, String given) {
        Answer answer = CLIENT.get(disk() + "/heatmap?buckets=4", "Accept", accept);
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).contains(given);
        assertThat(answer.header("Vary")).containsIgnoringCase("accept");
    }

    @Test
    void etagsHoldUntilTheContentChanges() {
        String path = disk();
        Set<String> etags = new TreeSet<>();
        for (String route :
                List.of("/splits", "/splits?count=7", "/heatmap", "/heatmap?buckets=7")) {
            Answer first = CLIENT.get(path + route);
            etags.add(first.etag());
            assertThat(first.etag()).startsWith("W/");
            for (String known :
                    List.of(
                            first.etag(),
                            first.etag().substring(2),
                            "\"other\", " + first.etag())) {
                Answer again = CLIENT.get(path + route, "If-None-Match", known);
                assertThat(again.status()).as(known).isEqualTo(304);
                assertThat(again.etag()).isEqualTo(first.etag());
                assertThat(again.body()).isEmpty();
            }
            assertThat(CLIENT.head(path + route).etag()).isEqualTo(first.etag());
        }
        etags.add(CLIENT.get(path + "/heatmap", "Accept", SVG).etag());
        assertThat(etags).hasSize(5);
        QemuIo.run(folder.resolve("disk.qcow2"), "discard 900M 64k");
        for (String etag : etags) {
            assertThat(CLIENT.get(path + "/heatmap", "If-None-Match", etag).status())
                    .isEqualTo(200);
            assertThat(CLIENT.get(path + "/splits", "If-None-Match", etag).status()).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "splits?count=0",
                "splits?count=1025",
                "splits?count=-1",
                "splits?count=",
                "splits?count=eight",
                "splits?count=1&count=2",
                "splits?buckets=8",
                "splits?offset=0",
                "heatmap?buckets=0",
                "heatmap?buckets=4097",
                "heatmap?buckets=99999999999",
                "heatmap?count=8",
                "heatmap?format=svg"
            })
    void otherParametersAreRefused(String route) {
        JsonNode problem = CLIENT.get(disk() + "/" + route).problem(400, "invalid-request");
        assertThat(problem.path("errors").get(0).path("parameter").asString())
                .isEqualTo(route.replaceFirst("[^?]*\\?([a-z]*)=.*", "$1"));
    }

    @Test
    void contentThatCannotBeTrustedIsRefused() {
        String path = disk();
        for (String route : List.of("/splits", "/heatmap")) {
            CLIENT.get(bitmap("disk.qcow2", "b") + route).problem(404, "bitmap-not-found");
            CLIENT.get(bitmap("none.qcow2", "a") + route).problem(404, "image-not-found");
            CLIENT.get(bitmap("disk.qcow2", "~61") + route).problem(400, "invalid-request");
            CLIENT.get(path + route, "Accept", "text/html").problem(406, "not-acceptable");
        }
        ImageBytes bytes = new ImageBytes(folder.resolve("disk.qcow2"));
        long flags = bytes.directoryEntry(0) + 12;
        bytes.u32(flags, bytes.u32(flags) | 1);
        refused(path, 409, "bitmap-inconsistent");
        bytes.u32(flags, bytes.u32(flags) & ~1L);
        bytes.u8(bytes.directoryEntry(0) + 16, 2);
        refused(path, 422, "bitmap-unsupported");
        bytes.u8(bytes.directoryEntry(0) + 16, 1);
        bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        refused(path, 409, "bitmaps-orphaned");
        bytes.setBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        bytes.u64(bytes.directoryEntry(0), 1L << 40);
        refused(path, 409, "bitmap-corrupt");
        bytes.u32(20, 40);
        refused(path, 422, "image-unreadable");
    }

    private static void refused(String path, int status, String slug) {
        CLIENT.get(path + "/splits").problem(status, slug);
        CLIENT.get(path + "/heatmap").problem(status, slug);
        CLIENT.get(path + "/heatmap", "Accept", SVG).problem(status, slug);
    }
}
