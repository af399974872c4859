package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.NbdServer;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.aggregator.ArgumentsAccessor;
import org.junit.jupiter.params.provider.CsvSource;

/// Who gets an image that another one holds (`qcow2.md` 5.3), for every pair in both orders: this process, another of
/// ours, and QEMU's programs that write, read, or share by force (`-U`).
class LockTableTest {

    private static final String DISK = "disk.qcow2";

    /// The columns of the table: who comes.
    private static final String[] COMES = {
        "writer",
        "reader",
        "other writer",
        "other reader",
        "qemu-io",
        "qemu-io -r",
        "qemu-io -r -U",
        "qemu-nbd -r",
        "info",
        "info -U"
    };

    @TempDir private static Path folder;

    private static QemuImg qemu;

    /// Those who hold the image, and those who come.
    private static Map<String, LockUser> holders;

    private static Map<String, LockUser> comers;

    @BeforeAll
    static void create() throws IOException {
        qemu = new QemuImg(folder);
        qemu.create(DISK, "64M");
        qemu.bitmapAdd(DISK, "a", 65536, true);
        holders = users();
        comers = users();
    }

    private static Map<String, LockUser> users() throws IOException {
        LockUser here = new LockUser.Here(folder, DISK);
        LockUser elsewhere = new LockUser.Elsewhere(folder, DISK);
        return Map.of(
                "writer",
                here,
                "reader",
                here,
                "other writer",
                elsewhere,
                "other reader",
                elsewhere);
    }

    @AfterAll
    static void close() {
        holders.values().forEach(LockUser::close);
        comers.values().forEach(LockUser::close);
    }

    /// `ok`, or why not: `service` and `program` are who we say is in the way, `no` is QEMU's refusal.
    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    # held by     |writer |reader |o. writer|o. reader|qemu-io|io -r|io -r -U|nbd -r|info|info -U
                    nobody        |ok     |ok     |ok       |ok       |ok     |ok   |ok      |ok    |ok  |ok
                    writer        |service|service|service  |service  |no     |no   |ok      |no    |no  |ok
                    reader        |service|ok     |service  |ok       |no     |ok   |ok      |ok    |ok  |ok
                    other writer  |service|service|service  |service  |no     |no   |ok      |no    |no  |ok
                    other reader  |service|ok     |service  |ok       |no     |ok   |ok      |ok    |ok  |ok
                    qemu-nbd      |program|program|program  |program  |no     |no   |ok      |no    |no  |ok
                    qemu-nbd -r   |program|ok     |program  |ok       |no     |ok   |ok      |ok    |ok  |ok
                    qemu-nbd -r -U|ok     |ok     |ok       |ok       |ok     |ok   |ok      |ok    |ok  |ok
                    """)
    void whoeverComesGetsItOrNot(ArgumentsAccessor row) throws Exception {
        Map<String, String> expected = new LinkedHashMap<>();
        Map<String, String> actual = new LinkedHashMap<>();
        try (AutoCloseable held = hold(String.valueOf(row.getString(0)))) {
            assertThat(held).isNotNull();
            for (int i = 0; i < COMES.length; i++) {
                expected.put(COMES[i], String.valueOf(row.getString(i + 1)));
                actual.put(COMES[i], come(COMES[i]));
            }
        }
        assertThat(actual).isEqualTo(expected);
        try (LockProbe probe = LockProbe.open(folder, DISK)) {
            assertThat(probe.anyLock()).as("a lock that is left").isFalse();
        }
        qemu.assertClean(DISK);
    }

    private static AutoCloseable hold(String who) {
        return switch (who) {
            case "nobody" -> () -> {};
            case "qemu-nbd" -> NbdServer.start(folder, "-f", "qcow2", DISK);
            case "qemu-nbd -r" -> NbdServer.start(folder, "-r", "-f", "qcow2", DISK);
            case "qemu-nbd -r -U" ->
                    NbdServer.start(
                            folder,
                            "-r",
                            "--image-opts",
                            "driver=qcow2,force-share=on,file.filename=" + DISK);
            default -> {
                LockUser user = Objects.requireNonNull(holders.get(who));
                assertThat(user.hold(as(who))).isEqualTo("ok");
                yield user::release;
            }
        };
    }

    private static String as(String who) {
        return who.replace("other ", "");
    }

    private static String come(String who) {
        return switch (who) {
            case "qemu-io" -> program("qemu-io", "-c", "write 0 512", DISK);
            case "qemu-io -r" -> program("qemu-io", "-r", "-c", "read 0 512", DISK);
            case "qemu-io -r -U" -> program("qemu-io", "-r", "-U", "-c", "read 0 512", DISK);
            case "qemu-nbd -r" -> nbd();
            case "info" -> program("qemu-img", "info", DISK);
            case "info -U" -> program("qemu-img", "info", "-U", DISK);
            default -> Objects.requireNonNull(comers.get(who)).take(as(who));
        };
    }

    private static String program(String... command) {
        return Programs.tryRun(folder, command).exitCode() == 0 ? "ok" : "no";
    }

    private static String nbd() {
        try (NbdServer server = NbdServer.start(folder, "-r", "-f", "qcow2", DISK)) {
            return server == null ? "no" : "ok";
        } catch (AssertionError refused) {
            String said = String.valueOf(refused.getMessage());
            return said.contains("lock") ? "no" : said;
        }
    }
}
