package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// Cursors of extents: bound to image, content and parameters, and never a bridge between two contents.
class CursorTest {

    private static final long GRANULARITY = 65536;
    private static final String ALPHABET =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private final Path folder = SERVER.newFolder();
    private final QemuImg qemuImg = new QemuImg(folder);
    private final Path image = folder.resolve("disk.qcow2");
    private final String bitmaps =
            "/v1/images/%s~2Fdisk.qcow2/bitmaps".formatted(folder.getFileName());
    private final String extents = bitmaps + "/a/extents";

    @BeforeEach
    void create() {
        qemuImg.create("disk.qcow2", "1G");
        qemuImg.bitmapAdd("disk.qcow2", "a", GRANULARITY, true);
        qemuImg.bitmapAdd("disk.qcow2", "b", GRANULARITY, true);
        QemuIo.run(image, everyOther(0));
    }

    /// Ten extents of one granule each, in even or in odd places.
    private static String[] everyOther(int first) {
        List<String> commands = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            commands.add("discard %d %d".formatted((2 * i + first) * GRANULARITY, GRANULARITY));
        }
        return commands.toArray(String[]::new);
    }

    private static String cursor(JsonNode page) {
        assertThat(page.path("complete").asBoolean()).isFalse();
        return page.path("nextCursor").asString();
    }

    private JsonNode refusedAsChanged(String cursor) {
        return CLIENT.get(extents + "?cursor=" + cursor).problem(409, "content-changed");
    }

    @Test
    void worksOnAnotherReplicaAndWithALaterLimit() {
        JsonNode first = CLIENT.json(extents + "?limit=3");
        List<Range> read = new ArrayList<>(DirtyRanges.of(first, "DIRTY"));
        try (Server other = Server.start(SERVER.root())) {
            JsonNode rest = Client.of(other).json(extents + "?cursor=" + cursor(first));
            assertThat(rest.path("complete").asBoolean()).isTrue();
            read.addAll(DirtyRanges.of(rest, "DIRTY"));
        }
        assertThat(read).isEqualTo(DirtyRanges.of(CLIENT.json(extents), "DIRTY")).hasSize(10);
    }

    @Test
    void everyAlterationOfOneCharacterIsRefused() {
        String cursor = cursor(CLIENT.json(extents + "?limit=3"));
        for (int i = 0; i < cursor.length(); i++) {
            int place = ALPHABET.indexOf(cursor.charAt(i));
            assertThat(place).isNotNegative();
            // The neighbours differ in the lowest bit and in several, the last one in the highest.
            for (char other :
                    new char[] {
                        ALPHABET.charAt(place ^ 1),
                        ALPHABET.charAt((place + 1) % 64),
                        ALPHABET.charAt(place ^ 32),
                        '.'
                    }) {
                if (other != cursor.charAt(i)) {
                    altered(i, cursor.substring(0, i) + other + cursor.substring(i + 1));
                }
            }
            altered(i, cursor.substring(0, i) + cursor.substring(i + 1));
        }
    }

    /// What every request does with a cursor, and every so often a request.
    private void altered(int place, String cursor) {
        assertThatThrownBy(() -> Cursor.open(cursor, "extents", 9))
                .isInstanceOf(ProblemException.class)
                .hasMessageStartingWith("the cursor cannot be used: ");
        if (place % 16 == 0) {
            refusedAsInvalid(cursor);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "A", "AAAA", "%20", "~00", "%C3%A9", "null"})
    void whatIsNoCursorIsRefused(String text) {
        refusedAsInvalid(text);
        String whole = cursor(CLIENT.json(extents + "?limit=3"));
        if (!text.isEmpty()) {
            refusedAsInvalid(whole + text);
            refusedAsInvalid(text + whole);
        }
        refusedAsInvalid(whole + "=");
        refusedAsInvalid(whole + "%3D%3D");
        refusedAsInvalid(whole + whole);
    }

    private void refusedAsInvalid(String cursor) {
        Answer answer = CLIENT.get(extents + "?cursor=" + cursor);
        assertThat(answer.problem(400, "cursor-invalid").path("detail").asString()).isNotEmpty();
    }

    @Test
    void belongsToOneImageBitmapAndQuery() {
        qemuImg.create("other.qcow2", "1G");
        qemuImg.bitmapAdd("other.qcow2", "a", GRANULARITY, true);
        QemuIo.run(folder.resolve("other.qcow2"), everyOther(0));
        String cursor = cursor(CLIENT.json(extents + "?limit=3&offset=65536&length=655360"));
        String foreign = extents.replace("disk.qcow2", "other.qcow2");
        for (String elsewhere :
                List.of(
                        foreign + "?cursor=" + cursor,
                        bitmaps + "/b/extents?cursor=" + cursor,
                        bitmaps + "?cursor=" + cursor,
                        "/v1/images?cursor=" + cursor,
                        extents + "?state=ALL&cursor=" + cursor,
                        extents + "?state=CLEAN&cursor=" + cursor,
                        extents + "?offset=0&cursor=" + cursor,
                        extents + "?offset=65537&cursor=" + cursor,
                        extents + "?length=655359&cursor=" + cursor,
                        extents + "?length=655361&cursor=" + cursor,
                        extents + "?length=1073741824&cursor=" + cursor,
                        extents + "?length=0&cursor=" + cursor)) {
            CLIENT.get(elsewhere).problem(400, "cursor-invalid");
        }
        String ofList = cursorOf(bitmaps + "?limit=1");
        CLIENT.get(extents + "?cursor=" + ofList).problem(400, "cursor-invalid");
        CLIENT.get("/v1/images?cursor=" + ofList).problem(400, "cursor-invalid");
        CLIENT.get(foreign.replace("/a/extents", "") + "?cursor=" + ofList)
                .problem(400, "cursor-invalid");
        // The very same query, and one that leaves everything out, go on.
        assertThat(
                        CLIENT.json(
                                extents
                                        + "?state=DIRTY&offset=65536&length=655360&limit=3&cursor="
                                        + cursor))
                .isEqualTo(CLIENT.json(extents + "?limit=3&cursor=" + cursor));
    }

    private static String cursorOf(String path) {
        return CLIENT.json(path).path("nextCursor").asString();
    }

    @Test
    void isNoticedWhenTheGuestWrites() {
        JsonNode first = CLIENT.json(extents + "?limit=3");
        QemuIo.run(image, "write -P 7 900M 64k");
        JsonNode problem = refusedAsChanged(cursor(first));
        assertThat(problem.path("resumeOffset").asLong()).isEqualTo(first.path("length").asLong());
    }

    @Test
    void isNoticedWhenAnotherBitmapIsAdded() {
        String cursor = cursorOf(extents + "?limit=3");
        qemuImg.bitmapAdd("disk.qcow2", "later", GRANULARITY, true);
        refusedAsChanged(cursor);
    }

    /// QEMU stores the new bits where the old ones were: offsets are no fingerprint.
    @Test
    void isNoticedWhenQemuReusesTheSameOffsets() {
        ImageBytes bytes = new ImageBytes(image);
        int sameOffsets = 0;
        for (int round = 0; round < 20; round++) {
            Set<String> layouts = new HashSet<>();
            layouts.add(layout(bytes));
            List<Range> before = DirtyRanges.of(CLIENT.json(extents), "DIRTY");
            JsonNode first = CLIENT.json(extents + "?limit=3");
            qemuImg.bitmapClear("disk.qcow2", "a");
            QemuIo.run(image, everyOther((round + 1) % 2));
            JsonNode problem = refusedAsChanged(cursor(first));
            assertThat(problem.path("resumeOffset").asLong())
                    .isEqualTo(first.path("length").asLong());
            assertThat(DirtyRanges.of(CLIENT.json(extents), "DIRTY"))
                    .hasSize(10)
                    .isNotEqualTo(before);
            layouts.add(layout(bytes));
            sameOffsets += layouts.size() == 1 ? 1 : 0;
        }
        System.out.println("rounds with equal offsets: " + sameOffsets + " of 20");
        assertThat(sameOffsets).as("rounds that prove something").isPositive();
    }

    /// Directory entry and table of the first bitmap: all that says where its bits are.
    private static String layout(ImageBytes bytes) {
        return "%d %d %x"
                .formatted(
                        bytes.directoryEntry(0),
                        bytes.bitmapTable(0),
                        bytes.u64(bytes.bitmapTable(0)));
    }

    private long bits() {
        ImageBytes bytes = new ImageBytes(image);
        return bytes.u64(bytes.bitmapTable(0)) & 0x00fffffffffffe00L;
    }

    /// The clock that stamps files may stand still for milliseconds; a change right after an answer, or right
    /// before the next one, must show all the same.
    @Test
    void isNoticedWhenOneByteChangesRightAfterThePage() {
        ImageBytes bytes = new ImageBytes(image);
        long bits = bits();
        for (int round = 0; round < 40; round++) {
            String cursor = cursorOf(extents + "?limit=3");
            bytes.u8(bits + 2, bytes.u8(bits + 2) ^ 0x80);
            refusedAsChanged(cursor);
        }
    }

    @Test
    void isNoticedWhenOneByteChangesRightBeforeThePageAndAgainAfterIt() {
        ImageBytes bytes = new ImageBytes(image);
        long bits = bits();
        for (int round = 0; round < 20; round++) {
            bytes.u8(bits + 2, bytes.u8(bits + 2) ^ 0x80);
            List<Range> before = DirtyRanges.of(CLIENT.json(extents), "DIRTY");
            String cursor = cursorOf(extents + "?limit=3");
            bytes.u8(bits + 2, bytes.u8(bits + 2) ^ 0x80);
            refusedAsChanged(cursor);
            assertThat(DirtyRanges.of(CLIENT.json(extents), "DIRTY")).isNotEqualTo(before);
        }
    }

    /// A file that never comes to rest: whatever page is given, its cursor must not survive the next change.
    @Test
    void isNoticedWhenTheFileChangesAllTheTime() throws InterruptedException {
        ImageBytes bytes = new ImageBytes(image);
        long bits = bits();
        int given = 0;
        for (int round = 0; round < 15; round++) {
            AtomicBoolean stop = new AtomicBoolean();
            AtomicInteger changes = new AtomicInteger();
            Thread writer =
                    Thread.ofPlatform()
                            .start(() -> {
                                while (!stop.get()) {
                                    bytes.u8(bits + 2, bytes.u8(bits + 2) ^ 0x80);
                                    changes.incrementAndGet();
                                    Thread.onSpinWait();
                                }
                            });
            Answer page = CLIENT.get(extents + "?limit=3");
            int seen = changes.get();
            while (changes.get() <= seen) {
                Thread.onSpinWait();
            }
            stop.set(true);
            writer.join();
            if (page.status() == 200) {
                given++;
                refusedAsChanged(cursor(page.json()));
            } else {
                page.problem(409, "content-changed");
            }
        }
        System.out.println("pages of a file that changes all the time: " + given + " of 15");
    }

    @Test
    void isNoticedWhenTheModificationTimeIsPutBack() throws IOException {
        FileTime modified = Files.getLastModifiedTime(image);
        String cursor = cursorOf(extents + "?limit=3");
        ImageBytes bytes = new ImageBytes(image);
        bytes.u8(bits() + 2, bytes.u8(bits() + 2) ^ 0x80);
        Files.setLastModifiedTime(image, modified);
        refusedAsChanged(cursor);
    }

    @Test
    void isNoticedWhenAnotherFileTakesTheName() throws IOException {
        Programs.run(folder, "cp", "-p", "disk.qcow2", "twin.qcow2");
        String cursor = cursorOf(extents + "?limit=3");
        Files.move(folder.resolve("twin.qcow2"), image, StandardCopyOption.REPLACE_EXISTING);
        refusedAsChanged(cursor);
    }

    @Test
    void isRefusedWhenImageOrBitmapIsGone() throws IOException {
        String cursor = cursorOf(extents + "?limit=3");
        qemuImg.bitmapRemove("disk.qcow2", "a");
        CLIENT.get(extents + "?cursor=" + cursor).problem(404, "bitmap-not-found");
        Files.delete(image);
        CLIENT.get(extents + "?cursor=" + cursor).problem(404, "image-not-found");
    }

    @Test
    void isShortWhateverTheNamesAndNumbers() throws IOException {
        String part = "p".repeat(250);
        Path deep = folder;
        for (int i = 0; i < 14; i++) {
            deep = deep.resolve(part);
        }
        Programs.run(folder, "mkdir", "-p", deep.toString());
        QemuImg there = new QemuImg(deep);
        String name = "n".repeat(1023);
        there.create("disk.qcow2", "64T");
        there.bitmapAdd("disk.qcow2", name, 1 << 20, true);
        QemuIo.run(
                deep.resolve("disk.qcow2"),
                "discard 70368744112128 65536",
                "discard 70368740000000 65536");
        String id = folder.getFileName() + ("~2F" + part).repeat(14) + "~2Fdisk.qcow2";
        String long64t = "/v1/images/%s/bitmaps/%s/extents?limit=1".formatted(id, name);
        String cursor = cursorOf(long64t + "&offset=70368739999999&length=4177664&state=DIRTY");
        System.out.println("cursor of the longest names: " + cursor.length() + " characters");
        assertThat(cursor).matches("[A-Za-z0-9_-]{1,512}");
        assertThat(CLIENT.json(long64t + "&cursor=" + cursor).path("extents").size()).isEqualTo(1);
    }
}
