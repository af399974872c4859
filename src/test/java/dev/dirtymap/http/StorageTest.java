package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.images.Id;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// What is answered when a file system is full or must not be written: the right status, and nothing has changed.
class StorageTest {

    private static final List<String> IMAGES =
            List.of("a.qcow2", "full/b.qcow2", "full/c.qcow2", "locked/d.qcow2");

    private static final String CREATE = "{\"op\":\"CREATE\",\"bitmap\":\"new\"}";

    /// Runs in a process of its own, which sees small file systems that nobody else sees.
    @Test
    void withoutRoomOrRightsNothingChanges(@TempDir Path folder) {
        ProgramResult result =
                Programs.run(
                        Path.of("").toAbsolutePath(),
                        "unshare",
                        "--map-root-user",
                        "--mount",
                        "bash",
                        "-c",
                        """
                        set -e
                        small() { mkdir -p "$1"; mount -t tmpfs -o size="$2" none "$1"; }
                        small "$1/root" 4m
                        small "$1/root/full" 4m
                        small "$1/root/locked" 4m
                        shift
                        exec "$@"
                        """,
                        "bash",
                        folder.toString(),
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Inside.class.getName(),
                        folder.toString());
        assertThat(result.stdout()).contains("all as it must be");
    }

    /// What the other process does.
    record Inside(Path folder, Path root, Client client) {

        /// Runs all of it.
        ///
        /// @param arguments the folder with the mounts
        public static void main(String[] arguments) throws IOException {
            Path folder = Path.of(arguments[0]);
            Path root = folder.resolve("root");
            for (String image : IMAGES) {
                QemuImg qemu = qemu(root.resolve(image));
                qemu.create(file(image), "1G");
                qemu.bitmapAdd(file(image), "old", 65536, true);
            }
            new QemuImg(root).bitmapAdd("a.qcow2", "fine", 512, true);
            try (ServiceProcess service =
                    ServiceProcess.start(
                            folder,
                            Map.of(),
                            List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                            "dirtymap.root=" + root)) {
                Inside test = new Inside(folder, root, service.client());
                test.aFullDisk();
                test.aFullDiskOfOneImageOfTwo();
                test.aFullDiskOfTheJournal();
                test.aFullDiskOfUploads();
                test.aReadOnlyFileSystem();
            }
            for (String image : IMAGES) {
                qemu(root.resolve(image)).assertClean(file(image));
            }
            System.out.println("all as it must be");
        }

        private static QemuImg qemu(Path image) {
            return new QemuImg(image.resolveSibling(""));
        }

        private static String file(String image) {
            return image.substring(image.indexOf('/') + 1);
        }

        private static String path(String image) {
            return "/v1/images/" + Id.of(image.getBytes(UTF_8));
        }

        private List<Answer> changes(String image) {
            String bitmap = path(image) + "/bitmaps/old";
            return List.of(
                    client.send("POST", path(image) + "/bitmaps", "{\"name\":\"new\"}"),
                    client.send("PATCH", bitmap, "{\"enabled\":false}"),
                    client.send(
                            "POST",
                            bitmap + "/mark",
                            "{\"ranges\":[{\"offset\":0,\"length\":1}],\"dirty\":true}"),
                    client.send("POST", bitmap + "/copy", "{\"name\":\"new\"}"),
                    client.send(
                            "PUT",
                            bitmap + "/bits",
                            new byte[2048],
                            "Content-Type",
                            "application/octet-stream"),
                    client.send(
                            "POST",
                            path(image) + "/transactions",
                            "{\"operations\":[%s]}".formatted(CREATE)));
        }

        private Answer createIn(String... images) {
            List<String> parts =
                    Stream.of(images)
                            .map(image ->
                                    "{\"image\":\"%s\",\"operations\":[%s]}"
                                            .formatted(image, CREATE))
                            .toList();
            return client.send(
                    "POST",
                    "/v1/transactions",
                    "{\"images\":[%s]}".formatted(String.join(",", parts)));
        }

        private void aFullDisk() throws IOException {
            Path filler = fill(root.resolve("full"));
            byte[] before = Files.readAllBytes(root.resolve("full/b.qcow2"));
            for (Answer answer : changes("full/b.qcow2")) {
                answer.problem(507, "insufficient-storage");
            }
            assertThat(Files.readAllBytes(root.resolve("full/b.qcow2"))).isEqualTo(before);
            client.send("POST", "/v1/images", "{\"name\":\"full/e.qcow2\",\"virtualSize\":1048576}")
                    .problem(507, "insufficient-storage");
            assertThat(names(root.resolve("full"))).containsOnly("b.qcow2", "c.qcow2", "filler");
            Files.delete(filler);
            client.send("POST", path("full/b.qcow2") + "/bitmaps", "{\"name\":\"more\"}").json(201);
        }

        private void aFullDiskOfOneImageOfTwo() throws IOException {
            Path filler = fill(root.resolve("full"));
            byte[] before = Files.readAllBytes(root.resolve("full/b.qcow2"));
            JsonNode bitmaps = client.json(path("a.qcow2") + "/bitmaps");
            createIn("a.qcow2", "full/b.qcow2").problem(507, "insufficient-storage");
            createIn("full/b.qcow2", "a.qcow2").problem(507, "insufficient-storage");
            assertThat(Files.readAllBytes(root.resolve("full/b.qcow2"))).isEqualTo(before);
            assertThat(client.json(path("a.qcow2") + "/bitmaps")).isEqualTo(bitmaps);
            new QemuImg(root).assertClean("a.qcow2");
            requireNoJournal();
            Files.delete(filler);
        }

        private void aFullDiskOfTheJournal() throws IOException {
            Path filler = fill(root);
            JsonNode bitmaps = client.json(path("full/b.qcow2") + "/bitmaps");
            createIn("full/b.qcow2", "full/c.qcow2").problem(507, "insufficient-storage");
            assertThat(client.json(path("full/b.qcow2") + "/bitmaps")).isEqualTo(bitmaps);
            new QemuImg(root.resolve("full")).assertClean("b.qcow2");
            requireNoJournal();
            Files.delete(filler);
            createIn("full/b.qcow2", "full/c.qcow2").json();
            requireNoJournal();
        }

        private void aFullDiskOfUploads() throws IOException {
            Path filler = fill(root);
            String bits = path("full/b.qcow2") + "/bitmaps/old/bits";
            byte[] all = new byte[2 << 10];
            all[0] = 1;
            byte[] before = Files.readAllBytes(root.resolve("full/b.qcow2"));
            client.send("PUT", bits, all, "Content-Type", "application/octet-stream")
                    .problem(507, "insufficient-storage");
            assertThat(Files.readAllBytes(root.resolve("full/b.qcow2"))).isEqualTo(before);
            Files.delete(filler);
            client.send("PUT", bits, all, "Content-Type", "application/octet-stream").json();
        }

        private void aReadOnlyFileSystem() throws IOException {
            Programs.run(folder, "mount", "-o", "remount,ro", "root/locked");
            for (Answer answer : changes("locked/d.qcow2")) {
                answer.problem(422, "image-read-only");
            }
            client.send("DELETE", path("locked/d.qcow2") + "/bitmaps/old", "")
                    .problem(422, "image-read-only");
            client.send("POST", path("locked/d.qcow2") + "/check", "{\"repair\":\"LEAKS\"}")
                    .problem(422, "image-read-only");
            client.send(
                            "POST",
                            "/v1/images",
                            "{\"name\":\"locked/e.qcow2\",\"virtualSize\":1048576}")
                    .problem(422, "image-read-only");
            JsonNode bitmaps = client.json(path("a.qcow2") + "/bitmaps");
            createIn("a.qcow2", "locked/d.qcow2").problem(422, "image-read-only");
            assertThat(client.json(path("a.qcow2") + "/bitmaps")).isEqualTo(bitmaps);
            // It is read as ever.
            client.json(path("locked/d.qcow2") + "/bitmaps/old/extents");
            client.send("POST", path("locked/d.qcow2") + "/check", "{}").json();
            assertThat(names(root.resolve("locked"))).containsExactly("d.qcow2");
        }

        private void requireNoJournal() throws IOException {
            Path transactions = root.resolve(".dirtymap/transactions");
            if (Files.exists(transactions)) {
                assertThat(names(transactions)).isEmpty();
            }
        }

        private static List<String> names(Path folder) throws IOException {
            try (Stream<Path> files = Files.list(folder)) {
                return files.map(file -> file.getFileName().toString()).toList();
            }
        }

        /// Takes all room of a file system.
        private static Path fill(Path folder) throws IOException {
            Path filler = folder.resolve("filler");
            try (FileChannel channel =
                    FileChannel.open(
                            filler, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                while (true) {
                    channel.write(ByteBuffer.allocate(4096));
                }
            } catch (IOException full) {
                return filler;
            }
        }
    }
}
