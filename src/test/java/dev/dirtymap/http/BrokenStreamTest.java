package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayDeque;
import java.util.Deque;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.FieldSource;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.dataformat.cbor.CBORMapper;

/// The image changes while its extents are sent: the stream says so and where to go on, and has no end.
class BrokenStreamTest {

    private static final String NDJSON = "application/x-ndjson";

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);
    private static final Path ORIGINALS = SERVER.newFolder();

    private final Path folder = SERVER.newFolder();
    private final Path file = folder.resolve(LongList.FILE);
    private final String extents =
            "/v1/images/%s~2F%s/bitmaps/a/extents".formatted(folder.getFileName(), LongList.FILE);

    /// What happens to the file.
    enum Change {
        BITMAP_ADDED,
        WRITTEN_BY_QEMU,
        REPLACED_BY_ANOTHER,
        TOUCHED,
        ONE_BIT_SET,
        CUT_TO_NOTHING,
        DELETED
    }

    /// How a stream ended.
    ///
    /// @param extents how many came before
    /// @param lastEnd where the last of them ends
    private record Broken(long extents, long lastEnd, String type, long resumeOffset) {}

    @BeforeAll
    static void create() {
        LongList.create(ORIGINALS);
    }

    @BeforeEach
    void copy() {
        for (String name : new String[] {LongList.FILE, "other"}) {
            Programs.run(folder, "cp", ORIGINALS.resolve(LongList.FILE).toString(), name);
        }
    }

    @AfterEach
    void remove() {
        Programs.run(folder, "find", ".", "-type", "f", "-delete");
    }

    /// A QEMU program tries once, and may meet the very moment in which the stream is read.
    private static void retried(Runnable program) {
        for (int tries = 1; ; tries++) {
            try {
                program.run();
                return;
            } catch (AssertionError locked) {
                if (tries == 5 || !String.valueOf(locked.getMessage()).contains("lock")) {
                    throw locked;
                }
            }
        }
    }

    private void change(Change how) throws IOException {
        ImageBytes bytes = new ImageBytes(file);
        switch (how) {
            case BITMAP_ADDED ->
                    retried(() -> new QemuImg(folder).bitmapAdd(LongList.FILE, "b", 65536, true));
            case WRITTEN_BY_QEMU -> retried(() -> QemuIo.run(file, "write -P 7 900G 64k"));
            case REPLACED_BY_ANOTHER ->
                    Files.move(folder.resolve("other"), file, StandardCopyOption.ATOMIC_MOVE);
            case TOUCHED -> Programs.run(folder, "touch", LongList.FILE);
            case ONE_BIT_SET -> {
                long table = bytes.bitmapTable(0);
                bytes.u8(bytes.u64(table + 31 * 8) & 0x00fffffffffffe00L, 0x57);
            }
            case CUT_TO_NOTHING -> bytes.truncate(0);
            case DELETED -> Files.delete(file);
        }
    }

    @ParameterizedTest
    @FieldSource("dev.dirtymap.http.ExtentStream#TYPES")
    void everyRepresentationSaysThatTheListEndsEarly(String type) throws IOException {
        Broken broken = stream(type, Change.BITMAP_ADDED);
        assertBroken(broken);
        assertThat(broken.type()).isEqualTo("/problems/content-changed");
    }

    @ParameterizedTest
    @EnumSource
    void everyChangeIsNoticed(Change how) throws IOException {
        Broken broken = stream(NDJSON, how);
        assertBroken(broken);
        System.out.printf("%s: %s%n", how, broken);
        assertThat(broken.type()).isEqualTo("/problems/content-changed");
    }

    private static void assertBroken(Broken broken) {
        assertThat(broken.extents()).isPositive().isLessThan(LongList.EXTENTS);
        assertThat(broken.resumeOffset()).isEqualTo(broken.lastEnd());
        // None is missing before.
        assertThat(broken.lastEnd())
                .isEqualTo((broken.extents() - 1) * LongList.DISTANCE + LongList.GRANULARITY);
    }

    /// Starts a stream, changes the image, and reads on.
    private Broken stream(String type, Change how) throws IOException {
        HttpResponse<InputStream> response = CLIENT.stream(extents, "Accept", type);
        assertThat(response.statusCode()).isEqualTo(200);
        try (InputStream body = response.body()) {
            change(how);
            return type.equals("application/cbor") ? cbor(body) : lines(type, body);
        }
    }

    private static Broken lines(String type, InputStream body) throws IOException {
        Deque<String> last = new ArrayDeque<>();
        BufferedReader reader = new BufferedReader(new InputStreamReader(body, UTF_8));
        long lines = 0;
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            lines++;
            last.add(line);
            if (last.size() > 2) {
                last.remove();
            }
        }
        // The row of names or the header, and the error.
        long extents = lines - (type.equals("text/plain") ? 1 : 2);
        String row = last.getFirst();
        String error = last.getLast();
        if (type.equals(NDJSON)) {
            JsonNode extent = JsonMapper.shared().readTree(row);
            JsonNode end = JsonMapper.shared().readTree(error);
            assertThat(end.path("record").asString()).as(error).isEqualTo("error");
            assertThat(end.path("problem").path("status").asInt()).isGreaterThanOrEqualTo(400);
            return new Broken(
                    extents,
                    extent.path("offset").asLong() + extent.path("length").asLong(),
                    end.path("problem").path("type").asString(),
                    end.path("resumeOffset").asLong(-1));
        }
        String[] numbers = row.split("[ ,]", -1);
        assertThat(error).matches("# error /problems/[a-z-]+ resumeOffset=\\d+");
        return new Broken(
                extents,
                Long.parseLong(numbers[0]) + Long.parseLong(numbers[1]),
                error.split(" ", -1)[2],
                Long.parseLong(error.replaceFirst(".*=", "")));
    }

    /// Token by token, since the whole list is larger than the heap.
    private static Broken cbor(InputStream body) {
        CBORMapper mapper =
                CBORMapper.builder()
                        .disable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                        .build();
        long extents = 0;
        long lastEnd = 0;
        try (JsonParser parser = mapper.createParser(body)) {
            while (!"extents".equals(parser.currentName())
                    || parser.currentToken() != JsonToken.START_ARRAY) {
                assertThat(parser.nextToken()).isNotNull();
            }
            while (parser.nextToken() == JsonToken.START_OBJECT) {
                parser.nextToken();
                parser.nextToken();
                lastEnd = parser.getLongValue();
                parser.nextToken();
                parser.nextToken();
                lastEnd += parser.getLongValue();
                assertThat(parser.nextToken()).isEqualTo(JsonToken.END_OBJECT);
                extents++;
            }
            assertThat(parser.nextName()).isEqualTo("complete");
            assertThat(parser.nextToken()).isEqualTo(JsonToken.VALUE_FALSE);
            assertThat(parser.nextName()).isEqualTo("problem");
            parser.nextToken();
            JsonNode problem = mapper.readTree(parser);
            assertThat(parser.nextName()).isEqualTo("resumeOffset");
            parser.nextToken();
            long resumeOffset = parser.getLongValue();
            assertThat(parser.nextToken()).isEqualTo(JsonToken.END_OBJECT);
            assertThat(parser.nextToken()).isNull();
            return new Broken(extents, lastEnd, problem.path("type").asString(), resumeOffset);
        }
    }
}
