package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Server;
import dev.dirtymap.http.ServiceProcess;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import dev.dirtymap.testimages.Undisturbed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// Locks between the service and QEMU (`api.md` 7): who waits for whom, and what nobody ever waits for.
@Undisturbed
class LockingTest {

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private final Path folder = SERVER.newFolder();
    private final Path file = folder.resolve("disk.qcow2");
    private final String list = "/v1/images?prefix=%s~2F".formatted(folder.getFileName());
    private final String image = "/v1/images/%s~2Fdisk.qcow2".formatted(folder.getFileName());
    private final String bitmap = image + "/bitmaps/a";

    @BeforeEach
    void create() {
        QemuImg qemuImg = new QemuImg(folder);
        qemuImg.create("disk.qcow2", "1G");
        qemuImg.bitmapAdd("disk.qcow2", "a", 65536, true);
        qemuImg.bitmapAdd("disk.qcow2", "b", 65536, false);
        QemuIo.run(file, "discard 0 64k", "discard 1M 128k");
    }

    /// Counts how often any byte is locked while some requests are made.
    private int locksSeenDuring(Runnable requests) throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        AtomicInteger seen = new AtomicInteger();
        AtomicInteger looks = new AtomicInteger();
        try (LockProbe probe = LockProbe.open(folder, "disk.qcow2")) {
            Thread watcher =
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    while (!done.get()) {
                                        seen.addAndGet(probe.anyLock() ? 1 : 0);
                                        looks.incrementAndGet();
                                    }
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
            requests.run();
            done.set(true);
            watcher.join();
            assertThat(looks.get()).isGreaterThan(1000);
            assertThat(probe.anyLock()).as("a lock that is left").isFalse();
        }
        System.out.printf("locks seen: %d of %d looks%n", seen.get(), looks.get());
        return seen.get();
    }

    private static void hammer(String... paths) {
        for (int i = 0; i < 400; i++) {
            Answer answer = CLIENT.get(paths[i % paths.length]);
            assertThat(answer.status()).isEqualTo(200);
        }
    }

    @Test
    void metadataTakesNoLock() throws Exception {
        assertThat(locksSeenDuring(() -> hammer(list, image, image + "/bitmaps"))).isZero();
        // The watcher would have seen one.
        assertThat(locksSeenDuring(() -> hammer(bitmap, bitmap + "/extents", bitmap + "/bits")))
                .isPositive();
    }

    @Test
    void nothingIsLeftLockedByRefusedRequests() throws Exception {
        locksSeenDuring(() -> {
            for (int i = 0; i < 100; i++) {
                CLIENT.get(bitmap + "/extents?offset=99999999999")
                        .problem(416, "range-not-satisfiable");
                CLIENT.get(bitmap + "/bits", "Range", "bytes=99999-")
                        .problem(416, "range-not-satisfiable");
                CLIENT.get(bitmap + "/extents?cursor=x").problem(400, "cursor-invalid");
                CLIENT.get(image + "/bitmaps/absent/bits").problem(404, "bitmap-not-found");
            }
        });
    }

    @Test
    void anImageThatAProgramWritesIsShownAndItsContentIsNot() {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "disk.qcow2", false);
            assertInUse();
            // What the program says is not disturbed by our looking at it.
            daemon.bitmapAction("clear", "disk", "a");
            daemon.closeNode("disk");
            assertIdle();
            assertThat(CLIENT.json(bitmap).path("dirtyBytes").asLong()).isZero();
        }
    }

    private void assertInUse() {
        assertThat(CLIENT.json(image).path("state").asString()).isEqualTo("IN_USE");
        assertThat(CLIENT.json(list).path("images").get(0).path("state").asString())
                .isEqualTo("IN_USE");
        for (String path : List.of("/bitmaps", "/bitmaps?include=TOTALS")) {
            for (JsonNode one : CLIENT.json(image + path).path("bitmaps")) {
                assertThat(one.path("state").asString()).isEqualTo("IN_USE");
                assertThat(one.has("dirtyBytes")).isFalse();
            }
        }
        assertThat(CLIENT.json(bitmap).path("state").asString()).isEqualTo("IN_USE");
        for (String content : List.of(bitmap + "/extents", bitmap + "/bits")) {
            long start = System.nanoTime();
            assertLocked(content, "OTHER_PROGRAM");
            long millis = (System.nanoTime() - start) / 1_000_000;
            assertThat(millis).as("the wait for the lock, 2 s by default").isBetween(1900L, 4000L);
        }
    }

    private void assertIdle() {
        assertThat(CLIENT.json(image).path("state").asString()).isEqualTo("AVAILABLE");
        assertThat(CLIENT.json(bitmap).path("state").asString()).isEqualTo("CONSISTENT");
        assertThat(CLIENT.get(bitmap + "/extents").status()).isEqualTo(200);
        assertThat(CLIENT.get(bitmap + "/bits").body()).hasSize(2048);
    }

    private static void assertLocked(String path, String holder) {
        Answer refused = CLIENT.get(path);
        JsonNode problem = refused.problem(423, "image-locked");
        assertThat(problem.path("holder").asString()).isEqualTo(holder);
        assertThat(refused.header("Retry-After")).matches("[1-9][0-9]*");
        assertThat(refused.header("ETag")).isEmpty();
        assertThat(refused.header("Bitmap-Granularity")).isEmpty();
    }

    /// A request that waits is answered as soon as the image is free.
    @Test
    void aRequestWaitsForAProgramThatEndsInTime() throws InterruptedException {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "disk.qcow2", false);
            AtomicInteger status = new AtomicInteger();
            Thread request =
                    Thread.ofPlatform()
                            .start(() -> status.set(CLIENT.get(bitmap + "/extents").status()));
            Thread.sleep(300);
            daemon.closeNode("disk");
            request.join();
            assertThat(status.get()).isEqualTo(200);
        }
    }

    @Test
    void aKilledProgramLeavesInconsistentBitmaps() {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "disk.qcow2", false);
            daemon.kill();
        }
        assertThat(CLIENT.json(image).path("state").asString()).isEqualTo("AVAILABLE");
        for (String name : List.of("a", "b")) {
            String path = image + "/bitmaps/" + name;
            assertThat(CLIENT.json(path).path("state").asString()).isEqualTo("INCONSISTENT");
            CLIENT.get(path + "/extents").problem(409, "bitmap-inconsistent");
            CLIENT.get(path + "/bits").problem(409, "bitmap-inconsistent");
        }
    }

    @Test
    void aReplicaThatWritesIsNamedAsTheHolder() throws IOException {
        try (LockProbe replica = LockProbe.open(folder, "disk.qcow2")) {
            replica.lockAsWritingReplica();
            assertLocked(bitmap + "/extents", "SERVICE");
            assertLocked(bitmap + "/bits", "SERVICE");
            assertThat(CLIENT.json(image).path("state").asString()).isEqualTo("AVAILABLE");
            // The replica's byte means nothing to QEMU.
            QemuIo.run(file, "discard 2M 64k");
            replica.unlock();
            assertIdle();
        }
    }

    @Test
    void programsThatReadDisturbNobody() {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "disk.qcow2", true);
            assertIdle();
            assertThat(new QemuImg(folder).check("disk.qcow2").exitCode()).isZero();
            assertIdle();
        }
        AtomicBoolean done = new AtomicBoolean();
        List<Thread> readers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            readers.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                while (!done.get()) {
                                    CLIENT.json(bitmap + "/extents");
                                }
                            }));
        }
        try {
            for (int i = 0; i < 20; i++) {
                ProgramResult read =
                        Programs.tryRun(folder, "qemu-io", "-r", "-c", "read 0 512", "disk.qcow2");
                assertThat(read.exitCode()).as(read.toString()).isZero();
            }
        } finally {
            done.set(true);
            readers.forEach(LockingTest::join);
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /// A program may hold an image without having set `in_use`: then the stored bits are out of date though
    /// nothing in the file says so.
    @Test
    void bitsOfAHeldImageAreNeverGivenEvenIfTheFileCallsThemGood() {
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "disk.qcow2", false);
            ImageBytes bytes = new ImageBytes(file);
            bytes.u32(bytes.directoryEntry(0) + 12, 2);
            assertLocked(bitmap + "/extents", "OTHER_PROGRAM");
            assertLocked(bitmap + "/bits", "OTHER_PROGRAM");
            CLIENT.get(bitmap).problem(423, "image-locked");
            daemon.kill();
        }
    }

    @Test
    void aServiceKilledUnderLoadLeavesNoLock(@TempDir Path working) throws Exception {
        try (ServiceProcess service =
                        ServiceProcess.start(working, Map.of(), "dirtymap.root=" + folder);
                LockProbe probe = LockProbe.open(folder, "disk.qcow2")) {
            Client client = service.client();
            AtomicInteger served = new AtomicInteger();
            List<Thread> load = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                load.add(
                        Thread.ofPlatform()
                                .start(() -> {
                                    try {
                                        while (true) {
                                            client.get("/v1/images/disk.qcow2/bitmaps/a/extents");
                                            served.incrementAndGet();
                                        }
                                    } catch (UncheckedIOException killed) {
                                        // As it must be.
                                    }
                                }));
            }
            while (served.get() < 200 || !probe.anyLock()) {
                Thread.onSpinWait();
            }
            service.kill();
            assertThat(probe.anyLock()).as("a lock of a dead process").isFalse();
            QemuIo.run(file, "discard 5M 64k");
            load.forEach(LockingTest::join);
        }
        assertThat(CLIENT.json(bitmap).path("dirtyExtents").asLong()).isEqualTo(3);
    }
}
