package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.QemuImg;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A file may have several names, and a name may come to another file at any time.
class OtherNamesTest {

    @TempDir private Path folder;

    private QemuImg qemu;
    private Images images;

    @BeforeEach
    void create() throws Exception {
        qemu = new QemuImg(folder);
        images = new Images(new ImagesProperties(folder, Duration.ofSeconds(20)));
    }

    @AfterEach
    void close() {
        images.destroy();
    }

    private int create(String image, String bitmap) throws Exception {
        Id id = Crashed.id(image);
        return images.change(
                List.of(id),
                List.of(),
                locked -> locked.draft(id).create(bitmap.getBytes(UTF_8), null, true, null),
                locked -> locked.view(id).image().bitmaps().count());
    }

    /// As a program does that writes a new file and renames it over the old one.
    @Test
    void aFileThatLosesItsNameWhileItsLockIsWaitedForIsNotChanged() throws Exception {
        qemu.create("disk.qcow2", "64M");
        qemu.create("next.qcow2", "64M");
        qemu.bitmapAdd("next.qcow2", "of-the-next", 65536, true);
        Files.createLink(folder.resolve("old.qcow2"), folder.resolve("disk.qcow2"));
        byte[] old = Files.readAllBytes(folder.resolve("old.qcow2"));
        CountDownLatch held = new CountDownLatch(1);
        CountDownLatch replaced = new CountDownLatch(1);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Id id = Crashed.id("disk.qcow2");
            Future<Boolean> holder =
                    threads.submit(() ->
                            images.change(
                                    List.of(id),
                                    List.of(),
                                    _ -> {
                                        held.countDown();
                                        await(replaced);
                                    },
                                    _ -> true));
            await(held);
            Future<Integer> waiting = threads.submit(() -> create("disk.qcow2", "mine"));
            // Until it has opened the old file and waits for its lock.
            Thread.sleep(300);
            Files.move(
                    folder.resolve("next.qcow2"),
                    folder.resolve("disk.qcow2"),
                    StandardCopyOption.REPLACE_EXISTING);
            replaced.countDown();
            assertThat(holder.get()).isTrue();
            assertThat(waiting.get()).isEqualTo(2);
        }
        assertThat(Files.readAllBytes(folder.resolve("old.qcow2"))).isEqualTo(old);
        assertThat(qemu.info("disk.qcow2").toString()).contains("of-the-next", "mine");
        qemu.assertClean("disk.qcow2");
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aTransactionThatWasCutShortIsFinishedForOtherNamesOfItsFilesToo() throws Exception {
        List<String> names = List.of("a.qcow2", "b.qcow2", "c.qcow2");
        for (String name : names) {
            qemu.create(name, "64M");
            qemu.bitmapAdd(name, "old", 65536, true);
        }
        Files.createDirectory(folder.resolve("links"));
        Files.createLink(folder.resolve("links/of-c.qcow2"), folder.resolve("c.qcow2"));
        Crashed.stop(folder, 1, names, () -> true);
        assertThat(
                        images.<String>read(
                                Crashed.id("links/of-c.qcow2"),
                                open ->
                                        open.look(view ->
                                                new String(
                                                        view.image().bitmaps().get(0).name(),
                                                        UTF_8))))
                .isEqualTo("new");
        assertThat(folder.resolve(Crashed.JOURNAL)).doesNotExist();
    }
}
