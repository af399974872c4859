package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.Server;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// A file that changes under a reader, by programs that know of no lock: never wrong data.
class ChangedFileTest {

    /// 64 MiB of bits, far more than the buffers on the way to a client hold.
    private static final int TOTAL = 64 << 20;

    private static final int CLUSTERS = TOTAL / 65536;

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private static final Path ORIGINALS = SERVER.newFolder();

    private final Path folder = SERVER.newFolder();
    private final Path file = folder.resolve("disk.qcow2");
    private final String bitmap =
            "/v1/images/%s~2Fdisk.qcow2/bitmaps/a".formatted(folder.getFileName());

    /// What happens to the file.
    enum Change {
        REPLACED_BY_ANOTHER,
        CUT_TO_NOTHING,
        CUT_IN_THE_MIDDLE,
        DELETED,
        OVERWRITTEN_IN_PLACE,
        WRITTEN_BY_QEMU
    }

    static Stream<Change> changes() {
        return Stream.of(Change.values());
    }

    /// Both files are made once, since QEMU syncs what it writes, and copied for each test.
    @BeforeAll
    static void create() {
        QemuImg qemuImg = new QemuImg(ORIGINALS);
        qemuImg.create("disk.qcow2", "32T");
        qemuImg.bitmapAdd("disk.qcow2", "a", 65536, true);
        QemuIo.run(
                ORIGINALS.resolve("disk.qcow2"),
                IntStream.range(0, CLUSTERS)
                        .mapToObj(i -> "discard %d 64k".formatted(i * (32L << 30)))
                        .toArray(String[]::new));
        // Has the same layout and other bits.
        Programs.run(ORIGINALS, "cp", "disk.qcow2", "other");
        ImageBytes other = new ImageBytes(ORIGINALS.resolve("other"));
        for (int i = 0; i < CLUSTERS; i++) {
            other.u8(cluster(other, i), 0xff);
        }
    }

    @BeforeEach
    void copy() {
        for (String name : List.of("disk.qcow2", "other")) {
            Programs.run(folder, "cp", ORIGINALS.resolve(name).toString(), name);
        }
    }

    @AfterEach
    void remove() {
        Programs.run(folder, "find", ".", "-type", "f", "-delete");
    }

    private static long cluster(ImageBytes bytes, int index) {
        return bytes.u64(bytes.bitmapTable(0) + index * 8L) & 0x00fffffffffffe00L;
    }

    private void change(Change how) throws IOException {
        ImageBytes bytes = new ImageBytes(file);
        switch (how) {
            case REPLACED_BY_ANOTHER ->
                    Files.move(folder.resolve("other"), file, StandardCopyOption.ATOMIC_MOVE);
            case CUT_TO_NOTHING -> bytes.truncate(0);
            case CUT_IN_THE_MIDDLE -> bytes.truncate(cluster(bytes, CLUSTERS / 2));
            case DELETED -> Files.delete(file);
            case OVERWRITTEN_IN_PLACE -> Programs.run(folder, "cp", "other", "disk.qcow2");
            case WRITTEN_BY_QEMU -> {
                // Fails while we read: whoever starts a machine tries again.
                while (Programs.tryRun(folder, "qemu-io", "-c", "discard 1M 1M", "disk.qcow2")
                                .exitCode()
                        != 0) {
                    Thread.onSpinWait();
                }
            }
        }
    }

    /// Every 64 KiB of the bits as they were at first begin with 1, and are 0 otherwise.
    private static void assertOriginal(byte[] bits, int length, long offset) {
        for (int i = 0; i < length; i++) {
            if (bits[i] != ((offset + i) % 65536 == 0 ? 1 : 0)) {
                throw new AssertionError(
                        "byte %d of the bits is %d".formatted(offset + i, bits[i]));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("changes")
    void aDownloadGivesOldBitsOrBreaksOff(Change how) throws Exception {
        HttpResponse<InputStream> response = CLIENT.stream(bitmap + "/bits");
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValueAsLong("Content-Length")).hasValue(TOTAL);
        long read = 0;
        boolean whole = false;
        byte[] buffer = new byte[1 << 16];
        try (InputStream body = response.body()) {
            while (true) {
                int count = body.readNBytes(buffer, 0, buffer.length);
                assertOriginal(buffer, count, read);
                if (read <= 1 << 20 && read + count > 1 << 20) {
                    change(how);
                }
                read += count;
                if (count == 0) {
                    whole = true;
                    break;
                }
            }
        } catch (IOException brokenOff) {
            // As it should be.
        }
        System.out.printf("%s: %d of %d bytes, whole: %s%n", how, read, TOTAL, whole);
        assertThat(whole).isFalse();
        assertThat(read).isLessThan(TOTAL);
    }

    @ParameterizedTest
    @MethodSource("changes")
    void aCursorFromBeforeIsRefused(Change how) throws Exception {
        String cursor = CLIENT.json(bitmap + "/extents?limit=3").path("nextCursor").asString();
        change(how);
        Client.Answer next = CLIENT.get(bitmap + "/extents?cursor=" + cursor);
        switch (how) {
            case DELETED, CUT_TO_NOTHING -> next.problem(404, "image-not-found");
            // The directory is cut off too.
            case CUT_IN_THE_MIDDLE -> assertThat(next.status()).isIn(404, 409);
            case REPLACED_BY_ANOTHER, OVERWRITTEN_IN_PLACE, WRITTEN_BY_QEMU ->
                    assertThat(next.problem(409, "content-changed").has("resumeOffset")).isTrue();
        }
    }

    @ParameterizedTest
    @MethodSource("changes")
    void totalsAreOfOneContent(Change how) throws Exception {
        long[] bytes = new long[1];
        Thread request =
                Thread.ofPlatform()
                        .start(() -> {
                            Client.Answer answer = CLIENT.get(bitmap);
                            bytes[0] =
                                    answer.status() == 200
                                            ? answer.json().path("dirtyBytes").asLong(-1)
                                            : -answer.status();
                        });
        Thread.sleep(15);
        change(how);
        request.join();
        System.out.printf("%s: dirtyBytes or status %d%n", how, bytes[0]);
        long old = CLUSTERS * 65536L;
        switch (how) {
            case REPLACED_BY_ANOTHER -> assertThat(bytes[0]).isIn(old, 8 * old, -409L, -1L);
            // The program cuts the file to nothing before it writes.
            case OVERWRITTEN_IN_PLACE -> assertThat(bytes[0]).isIn(old, 8 * old, -409L, -404L, -1L);
            case WRITTEN_BY_QEMU ->
                    assertThat(bytes[0]).isIn(old, old + (1 << 20), -409L, -423L, -1L);
            case CUT_TO_NOTHING, CUT_IN_THE_MIDDLE, DELETED ->
                    assertThat(bytes[0]).isIn(old, -409L, -404L, -1L);
        }
    }

    /// The file is cut when the change has taken its space and copies the bits.
    @ParameterizedTest
    @EnumSource(names = {"CUT_TO_NOTHING", "CUT_IN_THE_MIDDLE"})
    void aChangeOfAFileThatIsCutMeanwhileIsRefused(Change how) throws Exception {
        long size = Files.size(file);
        Client.Answer[] answers = new Client.Answer[1];
        Thread request =
                Thread.ofPlatform()
                        .start(() ->
                                answers[0] =
                                        CLIENT.send("POST", bitmap + "/copy", "{\"name\":\"b\"}"));
        while (Files.size(file) == size && request.isAlive()) {
            Thread.onSpinWait();
        }
        change(how);
        request.join();
        System.out.printf("%s: %s%n", how, answers[0].slug());
        answers[0].problem(409, "content-changed");
        try (LockProbe probe = LockProbe.open(folder, "disk.qcow2")) {
            assertThat(probe.anyLock()).as("a lock that is left").isFalse();
        }
        Programs.run(folder, "cp", ORIGINALS.resolve("disk.qcow2").toString(), "disk.qcow2");
        CLIENT.send("POST", bitmap + "/copy", "{\"name\":\"b\"}").json(201);
        new QemuImg(folder).assertClean("disk.qcow2");
    }
}
