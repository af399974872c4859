package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ImageBytes.Extension;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/// Makes every attempt of `docs/escapes.md` against one service, and then looks at what that service asked of the
/// kernel meanwhile.
class EscapesTest {

    private static final Path LIST = Path.of("docs", "escapes.md");
    private static final int LEAST = 40;
    private static final String CANARY = "canary-that-must-not-be-read";

    /// What is asked for first and last, to be found in the trace.
    private static final String FIRST = "from-here";

    private static final String LAST = "to-here";

    private static final int DATA_FILE_EXTENSION = 0x44415441;
    private static final int NAME_OFFSET = 8192;
    private static final Pattern REQUEST = Pattern.compile("`([A-Z]+) (\\S+)`(?: `(.*)`)?");

    @TestFactory
    Stream<DynamicTest> everyAttempt(@TempDir Path folder) throws IOException {
        World world = World.start(folder.toRealPath());
        try {
            List<DynamicTest> tests = new ArrayList<>();
            for (List<String> row : rows("Files in the root")) {
                Programs.run(world.root, "bash", "-c", code(row.get(1)));
                tests.add(test(row, () -> world.file(code(row.get(2)), row.getLast())));
            }
            for (List<String> row : rows("Names in requests")) {
                tests.add(test(row, () -> world.request(row.get(1), row.getLast())));
            }
            for (List<String> row : rows("Backing files")) {
                tests.add(
                        test(
                                row,
                                () ->
                                        world.backingFile(
                                                code(row.get(1)),
                                                code(row.get(2)),
                                                row.getLast())));
            }
            for (List<String> row : rows("Data files")) {
                tests.add(test(row, () -> world.dataFile(code(row.get(1)), row.getLast())));
            }
            assertThat(tests).hasSizeGreaterThanOrEqualTo(LEAST);
            tests.add(DynamicTest.dynamicTest("races", world::races));
            tests.add(DynamicTest.dynamicTest("what is listed", world::list));
            tests.add(
                    DynamicTest.dynamicTest(
                            "nothing outside the root was opened", world::requireConfined));
            return tests.stream().onClose(world::close);
        } catch (IOException | RuntimeException | Error failure) {
            world.close();
            throw failure;
        }
    }

    private static DynamicTest test(
            List<String> row, org.junit.jupiter.api.function.Executable check) {
        return DynamicTest.dynamicTest(row.getFirst(), check);
    }

    /// The rows of the table below a heading, each as its cells.
    private static List<List<String>> rows(String heading) throws IOException {
        String text = Files.readString(LIST);
        String section = text.substring(text.indexOf("\n## " + heading + "\n") + 1);
        int end = section.indexOf("\n## ");
        List<List<String>> rows =
                (end < 0 ? section : section.substring(0, end))
                        .lines()
                        .filter(line -> line.startsWith("| "))
                        .map(EscapesTest::cells)
                        .toList();
        // Below the names of the columns and the line under them.
        return rows.subList(2, rows.size());
    }

    private static List<String> cells(String line) {
        return Pattern.compile("(?<!\\\\)\\|")
                .splitAsStream(line.substring(1, line.lastIndexOf('|')))
                .map(cell -> cell.strip().replace("\\|", "|"))
                .toList();
    }

    /// What stands in a cell as code; empty if nothing does.
    private static String code(String cell) {
        return cell.isEmpty() ? "" : cell.substring(1, cell.length() - 1);
    }

    /// A root with files beside it, and the service that must not see those.
    private record World(Path folder, Path root, ServiceProcess service, ServiceTrace trace)
            implements AutoCloseable {

        static World start(Path folder) throws IOException {
            Path root = Files.createDirectory(folder.resolve("root"));
            Path outside = Files.createDirectory(folder.resolve("outside"));
            Path disk = new QemuImg(root).create("disk.qcow2", "1M");
            new QemuImg(root).bitmapAdd("disk.qcow2", "a", 65536, true);
            QemuIo.run(disk, "write 0 64k", "write 256k 64k");
            Files.createDirectory(root.resolve("vm"));
            for (String copy : List.of("other.qcow2", "vm/disk.qcow2", "../outside/canary.qcow2")) {
                Files.copy(disk, root.resolve(copy));
            }
            new QemuImg(outside).bitmapAdd("canary.qcow2", CANARY, 65536, true);
            Files.writeString(outside.resolve("canary.raw"), CANARY.repeat(1000));
            Files.writeString(outside.resolve("canary.txt"), CANARY);
            naming(disk, "middle.qcow2", "../outside/canary.qcow2", "qcow2", null);
            naming(disk, "middle-nbd.qcow2", "nbd://127.0.0.1/disk", "raw", null);
            naming(disk, "probe.raw", "../outside/canary.qcow2", "qcow2", null);
            naming(disk, "probe-data.raw", "", "", "../outside/canary.raw");
            ServiceTrace trace = new ServiceTrace(folder.resolve("trace"), root);
            World world =
                    new World(
                            folder,
                            root,
                            ServiceProcess.startBelow(
                                    trace.command(), folder, "dirtymap.root=" + root),
                            trace);
            world.get("/v1/images/" + FIRST);
            return world;
        }

        /// A copy of an image that names other files.
        ///
        /// @param backingFile empty for none
        /// @param format of the backing file; empty if it is not stored
        private static void naming(
                Path from,
                String name,
                String backingFile,
                String format,
                @Nullable String dataFile)
                throws IOException {
            ImageBytes image = ImageBytes.copy(from, from.resolveSibling(name));
            List<Extension> extensions = new ArrayList<>(image.extensions());
            if (!backingFile.isEmpty()) {
                byte[] bytes = backingFile.getBytes(UTF_8);
                image.u64(8, NAME_OFFSET).u32(16, bytes.length).write(NAME_OFFSET, bytes);
            }
            if (!format.isEmpty()) {
                extensions.add(new Extension(0, ImageBytes.BACKING_FORMAT_EXTENSION, format));
            }
            if (dataFile != null) {
                extensions.add(new Extension(0, DATA_FILE_EXTENSION, dataFile));
                image.setBits64(ImageBytes.INCOMPATIBLE_FEATURES, 4);
            }
            image.extensions(extensions);
        }

        private RawAnswer send(String method, String path, String body, String type)
                throws IOException {
            RawAnswer answer =
                    RawAnswer.to(
                            service.port(),
                            "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s"
                                    .formatted(
                                            method,
                                            path,
                                            body.isEmpty() ? "" : "Content-Type: " + type + "\r\n",
                                            body.length(),
                                            body));
            assertThat(answer.text()).doesNotContain(CANARY, "root:x:0");
            return answer;
        }

        private RawAnswer get(String path) throws IOException {
            return send("GET", path, "", "");
        }

        /// @param expected a status, and the slug of its problem
        private static void require(RawAnswer answer, String expected) {
            String[] parts = expected.split(" ", 2);
            assertThat(answer.status()).as(answer.text()).isEqualTo(Integer.parseInt(parts[0]));
            if (parts.length > 1) {
                assertThat(answer.problem(null).path("type").asString())
                        .isEqualTo("/problems/" + parts[1]);
            }
        }

        void file(String id, String expected) throws IOException {
            require(get("/v1/images/" + id), expected);
            require(get("/v1/images/%s/bitmaps".formatted(id)), expected);
        }

        void request(String cell, String expected) throws IOException {
            Matcher request = REQUEST.matcher(cell);
            assertThat(request.matches()).as(cell).isTrue();
            String path = request.group(2).replace("{forged}", forged());
            if (path.contains("{cursor}")) {
                JsonNode page =
                        service.client()
                                .json("/v1/images/disk.qcow2/bitmaps/a/extents?limit=1&state=ALL");
                path = path.replace("{cursor}", page.path("nextCursor").asString());
            }
            String body = request.group(3) == null ? "" : request.group(3);
            boolean bits = request.group(1).equals("PUT");
            RawAnswer answer =
                    send(
                            request.group(1),
                            path,
                            body,
                            bits ? "application/octet-stream" : "application/json");
            require(answer, expected);
        }

        /// A cursor that says that the list goes on outside: its checksum is no secret.
        private static String forged() {
            return new Cursor("images", List.of("..~2Foutside", "", "", "", "..~2Foutside~2F"))
                    .seal();
        }

        void backingFile(String name, String format, String expected) throws IOException {
            String image = newName("backing");
            naming(root.resolve("disk.qcow2"), image, told(name, image), format, null);
            requireMap(image, "/extents?chain=true", expected);
            require(get("/v1/images/" + image + "/extents"), "200");
        }

        void dataFile(String name, String expected) throws IOException {
            String image = newName("data");
            naming(root.resolve("disk.qcow2"), image, "", "", told(name, image));
            requireMap(image, "/extents", expected);
        }

        private String newName(String kind) throws IOException {
            try (Stream<Path> files = Files.list(root)) {
                return "%s-%d.qcow2".formatted(kind, files.count());
            }
        }

        private String told(String name, String image) {
            return name.replace("{outside}", folder.resolve("outside").toString())
                    .replace("{root}", root.toString())
                    .replace("{name}", image);
        }

        private void requireMap(String image, String map, String expected) throws IOException {
            String path = "/v1/images/" + image;
            require(get(path), "200");
            require(get(path + "/bitmaps/a/extents"), "200");
            require(send("POST", path + "/check", "{}", "application/json"), "200");
            RawAnswer answer = get(path + map);
            if (expected.equals("200")) {
                require(answer, expected);
            } else {
                require(answer, "422 backing-unavailable");
                assertThat(answer.problem(null).path("detail").asString())
                        .endsWith(": " + expected.substring("422 ".length()));
            }
        }

        /// Exchanges a file and a folder with links that lead outside.
        void races() throws Exception {
            Path file = Files.copy(root.resolve("disk.qcow2"), root.resolve("swapped.qcow2"));
            Path parent = Files.createDirectory(root.resolve("swapped"));
            Files.copy(file, parent.resolve("canary.qcow2"));
            Files.createSymbolicLink(
                    root.resolve("file.link"), folder.resolve("outside/canary.qcow2"));
            Files.createSymbolicLink(root.resolve("folder.link"), folder.resolve("outside"));
            AtomicBoolean stop = new AtomicBoolean();
            Thread swapper =
                    Thread.ofPlatform()
                            .start(() -> {
                                while (!stop.get()) {
                                    swap(file, root.resolve("file.link"));
                                    swap(parent, root.resolve("folder.link"));
                                }
                            });
            int found = 0;
            int absent = 0;
            try {
                for (int i = 0; i < 30 || (i < 3000 && (found == 0 || absent == 0)); i++) {
                    for (String image : List.of("swapped.qcow2", "swapped~2Fcanary.qcow2")) {
                        RawAnswer answer = get("/v1/images/%s/bitmaps".formatted(image));
                        assertThat(answer.status()).as(answer.text()).isIn(200, 404);
                        found += answer.status() == 200 ? 1 : 0;
                        absent += answer.status() == 404 ? 1 : 0;
                    }
                }
            } finally {
                stop.set(true);
                swapper.join();
            }
            assertThat(found).as("found inside").isPositive();
            assertThat(absent).as("refused").isPositive();
        }

        /// Puts a link in a place, and the original back.
        private void swap(Path place, Path link) {
            Path original = root.resolve("original");
            move(place, original);
            move(link, place);
            move(place, link);
            move(original, place);
        }

        private static void move(Path from, Path to) {
            try {
                Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }

        void list() throws IOException {
            List<String> ids = new ArrayList<>();
            service.client()
                    .json("/v1/images?limit=1000")
                    .path("images")
                    .forEach(image -> ids.add(image.path("id").asString()));
            assertThat(ids)
                    .contains("disk.qcow2", "vm~2Fdisk.qcow2", "middle.qcow2", "probe.raw")
                    .allMatch(id ->
                            id.matches(
                                    "(disk|other|middle|middle-nbd|vm~2Fdisk|backing-\\d+|data-\\d+|swapped|swapped~2Fcanary)\\.qcow2|probe\\.raw|probe-data\\.raw"));
            assertThat(Files.readString(folder.resolve("outside/canary.txt"))).isEqualTo(CANARY);
            assertThat(Files.exists(folder.resolve("new.qcow2"))).isFalse();
            assertThat(Files.exists(folder.resolve("outside/new.qcow2"))).isFalse();
            assertThat(Files.exists(folder.resolve("outside/absent"))).isFalse();
        }

        void requireConfined() throws IOException {
            get("/v1/images/" + LAST);
            service.close();
            assertThat(trace.requireConfined(FIRST, LAST))
                    .contains("link", "folder-link/canary.qcow2", "fifo", "probe.raw")
                    .hasSizeGreaterThan(LEAST);
        }

        @Override
        public void close() {
            service.close();
        }
    }
}
