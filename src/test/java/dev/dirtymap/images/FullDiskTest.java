package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.NoSpaceException;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A real file system with room for less than a change takes: page by page more, until it succeeds.
class FullDiskTest {

    private static final int PAGE = 4096;
    private static final List<String> IMAGES = List.of("a.qcow2", "b.qcow2");

    @TempDir private Path folder;

    /// In a process of its own, which sees a small file system that nobody else sees.
    @Test
    void withoutRoomNothingChanges() {
        ProgramResult result =
                Programs.run(
                        folder,
                        "unshare",
                        "--map-root-user",
                        "--mount",
                        "bash",
                        "-c",
                        "set -e; mount -t tmpfs -o size=8m none \"$1\"; cd \"$1\"; shift; exec \"$@\"",
                        "bash",
                        folder.toString(),
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FullDiskTest.class.getName(),
                        folder.toString());
        System.out.println(result.stdout());
        assertThat(result.stdout()).contains("one image", "two images");
    }

    /// What the other process does.
    ///
    /// @param arguments the folder
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        QemuImg qemu = new QemuImg(folder);
        for (String image : IMAGES) {
            qemu.create(image, "64M", "cluster_size=4k");
            qemu.bitmapAdd(image, "old", 4096, true);
        }
        Images images = new Images(new ImagesProperties(folder, Duration.ofSeconds(2)));
        squeeze("one image", folder, images, IMAGES.subList(0, 1));
        squeeze("two images", folder, images, IMAGES);
        for (String image : IMAGES) {
            qemu.assertClean(image);
        }
        images.destroy();
    }

    private static void squeeze(String what, Path folder, Images images, List<String> names)
            throws Exception {
        List<byte[]> before = new ArrayList<>();
        for (String name : names) {
            before.add(Files.readAllBytes(folder.resolve(name)));
        }
        int refused = 0;
        int written = 0;
        while (true) {
            fill(folder.resolve("filler"), refused);
            try {
                change(images, names, what);
                break;
            } catch (NoSpaceException expected) {
                refused++;
            }
            boolean same = true;
            for (int i = 0; i < names.size(); i++) {
                same &=
                        Arrays.equals(
                                before.get(i), Files.readAllBytes(folder.resolve(names.get(i))));
                requireOld(
                        "%s with %d pages free".formatted(what, refused - 1), folder, names.get(i));
            }
            written += same ? 0 : 1;
        }
        // Only where there was room for everything but the journal may anything have been written.
        if (written > (names.size() == 1 ? 0 : 2)) {
            throw new AssertionError("%s: written to %d times".formatted(what, written));
        }
        if (refused < 3) {
            throw new AssertionError("%s: refused %d times only".formatted(what, refused));
        }
        System.out.printf("%s: refused with 0 to %d pages free%n", what, refused - 1);
        // Once there is room it works again.
        Files.delete(folder.resolve("filler"));
        change(images, names, what + " again");
    }

    /// An image shows the old state, and not even a cluster is leaked.
    private static void requireOld(String when, Path folder, String name) {
        QemuImg qemu = new QemuImg(folder);
        qemu.assertClean(name);
        if (qemu.info(name).toString().contains("two images")) {
            throw new AssertionError("%s: %s was changed".formatted(when, name));
        }
    }

    private static void change(Images images, List<String> names, String bitmap)
            throws ImageException, IOException {
        List<Id> ids = names.stream().map(Crashed::id).toList();
        images.change(
                ids,
                List.of(),
                locked -> {
                    for (Id id : ids) {
                        locked.draft(id).create(bitmap.getBytes(UTF_8), 512L, true, null);
                        locked.draft(id)
                                .mark(
                                        bitmap.getBytes(UTF_8),
                                        List.of(
                                                new Extent(0, 512, true),
                                                new Extent(32 << 20, 512, true)),
                                        true,
                                        null);
                    }
                },
                _ -> true);
    }

    /// Takes all room but some pages.
    private static void fill(Path filler, int freePages) throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        filler,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            try {
                while (true) {
                    channel.write(ByteBuffer.allocate(PAGE));
                }
            } catch (IOException full) {
                channel.truncate(Math.max(0, channel.size() / PAGE - freePages) * PAGE);
            }
        }
    }
}
