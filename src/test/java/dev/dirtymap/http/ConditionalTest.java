package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// ETags, conditional requests and byte ranges.
class ConditionalTest {

    /// 16384 granules: 2048 bytes of bits.
    private static final int TOTAL = 2048;

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private final Path folder = SERVER.newFolder();
    private final QemuImg qemuImg = new QemuImg(folder);
    private final Path file = folder.resolve("disk.qcow2");
    private final String list = "/v1/images?prefix=%s~2F".formatted(folder.getFileName());
    private final String image = "/v1/images/%s~2Fdisk.qcow2".formatted(folder.getFileName());
    private final String bitmap = image + "/bitmaps/a";
    private final String bits = bitmap + "/bits";

    @BeforeEach
    void create() {
        qemuImg.create("disk.qcow2", "1G");
        qemuImg.bitmapAdd("disk.qcow2", "a", 65536, true);
        QemuIo.run(file, "discard 0 64k", "discard 600k 200k", "discard 1073676288 64k");
    }

    private List<String> everything() {
        return List.of(
                list,
                image,
                image + "/bitmaps",
                image + "/bitmaps?include=TOTALS",
                bitmap,
                bits,
                bitmap + "/extents",
                bitmap + "/extents?state=ALL&limit=2");
    }

    @Test
    void theSameTagGivesNotModified() {
        for (String path : everything()) {
            String etag = CLIENT.get(path).etag();
            boolean strong = List.of(image, bitmap, bits).contains(path);
            assertThat(etag.startsWith("\"")).as(path).isEqualTo(strong);
            String opaque = etag.substring(etag.indexOf('"'));
            for (String match :
                    List.of(etag, opaque, "W/" + opaque, "\"x\", " + etag + ", \"y\"")) {
                Answer answer = CLIENT.get(path, "If-None-Match", match);
                assertThat(answer.status()).as("%s %s", path, match).isEqualTo(304);
                assertThat(answer.body()).isEmpty();
                assertThat(answer.etag()).isEqualTo(etag);
                assertThat(answer.header("X-Request-Id")).isNotEmpty();
                assertThat(CLIENT.head(path, "If-None-Match", match).status()).isEqualTo(304);
            }
            for (String match : List.of("\"x\"", opaque.replace("\"", ""), "\"\"", "W/\"x\"")) {
                assertThat(CLIENT.get(path, "If-None-Match", match).status())
                        .as("%s %s", path, match)
                        .isEqualTo(200);
            }
            assertThat(CLIENT.get(path).etag()).as("again").isEqualTo(etag);
        }
    }

    @Test
    void tagsOfDifferentResourcesDiffer() {
        qemuImg.bitmapAdd("disk.qcow2", "b", 65536, true);
        qemuImg.bitmapMerge("disk.qcow2", "b", "a");
        Set<String> etags = new HashSet<>();
        List<String> paths =
                List.of(
                        image,
                        bitmap,
                        image + "/bitmaps/b",
                        bits,
                        image + "/bitmaps/b/bits",
                        image + "/bitmaps",
                        image + "/bitmaps?include=TOTALS",
                        bitmap + "/extents",
                        image + "/bitmaps/b/extents",
                        bitmap + "/extents?state=ALL",
                        bitmap + "/extents?offset=512",
                        bitmap + "/extents?limit=1",
                        bitmap + "/extents?length=512");
        for (String path : paths) {
            assertThat(etags.add(CLIENT.get(path).etag())).as(path).isTrue();
        }
    }

    @Test
    void changesOfContentChangeTheTags() {
        ImageBytes bytes = new ImageBytes(file);
        List<String> ofContent = List.of(image, bitmap, bits, bitmap + "/extents");
        tagsChange("a write", ofContent, () -> QemuIo.run(file, "discard 3M 64k"));
        tagsChange("clear", ofContent, () -> qemuImg.bitmapClear("disk.qcow2", "a"));
        tagsChange("disable", ofContent, () -> qemuImg.bitmapDisable("disk.qcow2", "a"));
        tagsChange("enable", ofContent, () -> qemuImg.bitmapEnable("disk.qcow2", "a"));
        tagsChange("resize", ofContent, () -> qemuImg.run("resize", "-q", "./disk.qcow2", "2G"));
        QemuIo.run(file, "discard 0 64k");
        tagsChange(
                "one bit",
                List.of(
                        image,
                        bitmap,
                        bits,
                        bitmap + "/extents",
                        image + "/bitmaps?include=TOTALS"),
                () -> {
                    long data = bytes.u64(bytes.bitmapTable(0)) & 0x00fffffffffffe00L;
                    bytes.u8(data, bytes.u8(data) ^ 0x80);
                });
        tagsChange(
                "another length of the file",
                List.of(list, image, bitmap, bits, bitmap + "/extents"),
                () -> bytes.truncate(bytes.length() + 65536));
        tagsChange(
                "another bitmap",
                List.of(list, image, bitmap, bits, bitmap + "/extents", image + "/bitmaps"),
                () -> qemuImg.bitmapAdd("disk.qcow2", "b", 65536, true));
        tagsChange(
                "a lost autoclear bit",
                List.of(list, image, bitmap, image + "/bitmaps"),
                () -> bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1));
    }

    @Test
    void aProgramThatTakesAndGivesBackTheImageChangesTheTags() {
        List<String> metadata = List.of(list, image, bitmap, image + "/bitmaps");
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            tagsChange("taken", metadata, () -> daemon.open("disk", "disk.qcow2", false));
            assertThat(CLIENT.json(image).path("state").asString()).isEqualTo("IN_USE");
            assertThat(CLIENT.json(bitmap).path("state").asString()).isEqualTo("IN_USE");
            tagsChange("given back", metadata, () -> daemon.closeNode("disk"));
        }
        assertThat(CLIENT.json(image).path("state").asString()).isEqualTo("AVAILABLE");
        assertThat(CLIENT.json(bitmap).path("state").asString()).isEqualTo("CONSISTENT");
    }

    /// The program writes nothing when it takes an image that has no bitmaps: only its locks tell.
    @Test
    void aLockAloneChangesTheTagOfTheImage() {
        qemuImg.create("plain.qcow2", "1G");
        String plain = image.replace("disk.qcow2", "plain.qcow2");
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            String before = CLIENT.get(plain).etag();
            tagsChange(
                    "taken", List.of(plain, list), () -> daemon.open("disk", "plain.qcow2", false));
            daemon.closeNode("disk");
            assertThat(CLIENT.json(plain).path("state").asString()).isEqualTo("AVAILABLE");
            assertThat(CLIENT.get(plain, "If-None-Match", before).status()).isIn(200, 304);
        }
    }

    @Test
    void aKilledProgramChangesTheTags() {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "disk.qcow2", false);
            tagsChange("killed", List.of(list, image, bitmap, image + "/bitmaps"), daemon::kill);
        }
        assertThat(CLIENT.json(bitmap).path("state").asString()).isEqualTo("INCONSISTENT");
    }

    /// Of all resources no tag stays the same when the answer changes, and of these the tag changes at once.
    private void tagsChange(String what, List<String> certainly, Runnable change) {
        List<String> paths = new ArrayList<>(certainly);
        everything().stream().filter(path -> !certainly.contains(path)).forEach(paths::add);
        List<Answer> before = paths.stream().map(CLIENT::get).toList();
        change.run();
        for (int i = 0; i < paths.size(); i++) {
            String path = paths.get(i);
            String etag = before.get(i).header("ETag");
            Answer after = CLIENT.get(path, "If-None-Match", etag.isEmpty() ? "\"none\"" : etag);
            if (certainly.contains(path)) {
                assertThat(after.status()).as("%s after %s", path, what).isEqualTo(200);
                assertThat(after.etag()).isNotEqualTo(etag);
            }
            if (after.status() == 304) {
                assertThat(CLIENT.get(path).body()).isEqualTo(before.get(i).body());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "bytes=0-0, 0, 1",
        "bytes=0-9, 0, 10",
        "bytes=5-5, 5, 6",
        "bytes=2047-2047, 2047, 2048",
        "bytes=2047-, 2047, 2048",
        "bytes=1-, 1, 2048",
        "bytes=0-, 0, 2048",
        "bytes=0-2047, 0, 2048",
        "bytes=-1, 2047, 2048",
        "bytes=-2047, 1, 2048",
        "bytes=-2048, 0, 2048",
        "bytes=-99999999999, 0, 2048",
        "bytes=2000-9223372036854775807, 2000, 2048",
        "bytes=8-15, 8, 16",
        "bytes=7-16, 7, 17",
        "bytes= 3-4, 3, 5"
    })
    void oneRangeGivesThatPart(String range, int from, int to) {
        byte[] whole = CLIENT.get(bits).body();
        assertThat(whole).hasSize(TOTAL);
        Answer part = CLIENT.get(bits, "Range", range);
        assertThat(part.status()).isEqualTo(206);
        assertThat(part.header("Content-Range"))
                .isEqualTo("bytes %d-%d/%d".formatted(from, to - 1, TOTAL));
        assertThat(part.header("Content-Length")).isEqualTo("" + (to - from));
        assertThat(part.body()).isEqualTo(Arrays.copyOfRange(whole, from, to));
        assertThat(part.etag()).isEqualTo(CLIENT.get(bits).etag());
        assertThat(part.header("Bitmap-Granularity")).isEqualTo("65536");
        assertThat(part.header("Bitmap-Virtual-Size")).isEqualTo("1073741824");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bytes=0-0,5-9",
                "bytes=0-,-1",
                "bytes=4-2",
                "bytes=x-y",
                "bytes=",
                "bytes=-",
                "bytes",
                "bytes 0-1",
                "bits=0-1",
                "bytes=0x1-2",
                "bytes=1.5-2",
                "bytes=--1",
                "bytes=99999999999999999999-"
            })
    void severalOrMalformedRangesGiveTheWhole(String range) {
        Answer whole = CLIENT.get(bits, "Range", range);
        if (range.startsWith("bytes=9")) {
            // A number that no long holds is a legal range, and lies beyond the end.
            assertThat(whole.status()).isIn(200, 416);
            return;
        }
        assertThat(whole.status()).isEqualTo(200);
        assertThat(whole.header("Content-Range")).isEmpty();
        assertThat(whole.body()).isEqualTo(CLIENT.get(bits).body());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"bytes=2048-", "bytes=2048-2048", "bytes=9223372036854775807-", "bytes=-0"})
    void rangesBeyondTheEndAreRefused(String range) {
        Answer refused = CLIENT.get(bits, "Range", range);
        refused.problem(416, "range-not-satisfiable");
        assertThat(refused.header("Content-Range")).isEqualTo("bytes */" + TOTAL);
    }

    @Test
    void aRangeIsSentOnlyOfTheBitsThatTheCallerHas() {
        String etag = CLIENT.get(bits).etag();
        assertThat(CLIENT.get(bits, "Range", "bytes=0-1", "If-Range", etag).status())
                .isEqualTo(206);
        for (String other :
                List.of("\"x\"", "W/" + etag, "Mon, 23 Nov 2026 00:00:00 GMT", "nonsense")) {
            Answer whole = CLIENT.get(bits, "Range", "bytes=0-1", "If-Range", other);
            assertThat(whole.status()).as(other).isEqualTo(200);
            assertThat(whole.body()).hasSize(TOTAL);
        }
        // With a tag that is out of date even a range beyond the end gives the whole.
        assertThat(CLIENT.get(bits, "Range", "bytes=9999-", "If-Range", "\"x\"").status())
                .isEqualTo(200);
        assertThat(CLIENT.get(bits, "Range", "bytes=0-1", "If-None-Match", etag).status())
                .isEqualTo(304);
        QemuIo.run(file, "discard 5M 64k");
        Answer changed = CLIENT.get(bits, "Range", "bytes=0-1", "If-Range", etag);
        assertThat(changed.status()).isEqualTo(200);
        assertThat(changed.body()).hasSize(TOTAL);
    }

    @Test
    void headTellsTheWholeWithoutIt() {
        Answer head = CLIENT.head(bits);
        assertThat(head.status()).isEqualTo(200);
        assertThat(head.header("Content-Length")).isEqualTo("" + TOTAL);
        assertThat(head.header("Accept-Ranges")).isEqualTo("bytes");
        assertThat(head.etag()).isEqualTo(CLIENT.get(bits).etag());
        // Ranges are defined for GET only (RFC 9110, 14.2).
        Answer ranged = CLIENT.head(bits, "Range", "bytes=0-1");
        assertThat(ranged.status()).isEqualTo(200);
        assertThat(ranged.header("Content-Length")).isEqualTo("" + TOTAL);
    }

    /// One bit that stands for less than a granule, in a byte of its own.
    @Test
    void theSmallestDiskHasOneByte() {
        qemuImg.create("small.qcow2", "512");
        qemuImg.bitmapAdd("small.qcow2", "a", 65536, true);
        QemuIo.run(folder.resolve("small.qcow2"), "discard 0 512");
        String small = bits.replace("disk.qcow2", "small.qcow2");
        assertThat(CLIENT.get(small).body()).isEqualTo(new byte[] {1});
        assertThat(CLIENT.get(small, "Range", "bytes=0-0").status()).isEqualTo(206);
        CLIENT.get(small, "Range", "bytes=1-").problem(416, "range-not-satisfiable");
    }
}
