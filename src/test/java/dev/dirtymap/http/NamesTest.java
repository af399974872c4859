package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.BitmapSpec;
import dev.dirtymap.testimages.Command;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// Names of files and bitmaps, which are bytes and may be anything that a file system takes, and what is
/// listed at all. Names are given here one char a byte (ISO-8859-1).
class NamesTest {

    private static final String LONG_PART = "l".repeat(255);
    private static final String LONG_FOLDER = "m".repeat(255) + "/";

    private static final List<String> HOSTILE =
            List.of(
                    "plain.qcow2",
                    "no extension",
                    "new\nline",
                    "tab\tbell\u0007",
                    "tilde~",
                    "~2F",
                    "per%2Fcent",
                    "%",
                    "plus+and&question?hash#semi;colon",
                    "back\\slash",
                    "quote\"'`$(id)",
                    "...",
                    "....",
                    "..a",
                    ".hidden",
                    "-dash",
                    "caf\u00c3\u00a9",
                    "latin-\u00e9",
                    "\u00ff\u00fe",
                    "\u00ed\u00a0\u0080",
                    "\u0001",
                    "\u007f",
                    "deep/er/and.qcow2",
                    "deep/.hidden/disk",
                    "deep-sibling",
                    "deep.sibling",
                    "deep0",
                    "new\nfolder/\u00ff",
                    LONG_PART,
                    LONG_FOLDER.repeat(15) + "z".repeat(120));

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private final Path folder = SERVER.newFolder();
    private final String prefix = folder.getFileName() + "~2F";
    private final List<String> names = new ArrayList<>();

    @BeforeEach
    void original() {
        new QemuImg(folder).create("original", "1G");
        new QemuImg(folder).bitmapAdd("original", "a", 65536, true);
        QemuIo.run(folder.resolve("original"), "discard 0 64k", "discard 1M 64k");
        names.add("original");
    }

    @AfterEach
    void remove() {
        Programs.run(folder, "find", ".", "-mindepth", "1", "-delete");
    }

    /// A copy of the image under a name of any bytes.
    private void copy(String name) {
        int slash = name.lastIndexOf('/');
        if (slash >= 0) {
            Command.of("mkdir", "-p", "--").with(bytes(name.substring(0, slash))).in(folder).run();
        }
        Command.of("cp", "--", "original").with(bytes(name)).in(folder).run();
        names.add(name);
    }

    private static byte[] bytes(String latin1) {
        return latin1.getBytes(ISO_8859_1);
    }

    private static String id(String latin1) {
        return new BitmapSpec(latin1, 512, true, BitmapSpec.State.CONSISTENT).id();
    }

    /// The ids of the folder's images in the order of their names' bytes.
    private List<String> ids() {
        return names.stream()
                .sorted((a, b) -> Arrays.compareUnsigned(bytes(a), bytes(b)))
                .map(name -> prefix + inFolder(name))
                .toList();
    }

    /// Below a folder no name is made of dots only.
    private static String inFolder(String name) {
        String id = id(name);
        return name.matches("\\.+") ? "." + id.substring(3) : id;
    }

    private static List<String> listed(String path) {
        List<String> ids = new ArrayList<>();
        CLIENT.json(path).path("images").forEach(image -> ids.add(image.path("id").asString()));
        return ids;
    }

    private List<String> listed() {
        return listed("/v1/images?limit=1000&prefix=" + prefix);
    }

    @Test
    void everyNameIsListedAndFound() {
        HOSTILE.forEach(this::copy);
        assertThat(listed()).isEqualTo(ids());
        for (String name : names) {
            String path = "/v1/images/" + prefix + inFolder(name);
            JsonNode image = CLIENT.json(path);
            assertThat(image.path("id").asString()).isEqualTo(prefix + inFolder(name));
            assertThat(image.path("name").asString())
                    .isEqualTo(folder.getFileName() + "/" + new String(bytes(name), UTF_8));
            assertThat(image.path("state").asString()).isEqualTo("AVAILABLE");
            assertThat(CLIENT.json(path + "/bitmaps").path("bitmaps").size()).isEqualTo(1);
            JsonNode first = CLIENT.json(path + "/bitmaps/a/extents?limit=1");
            assertThat(first.path("imageId").asString()).isEqualTo(prefix + inFolder(name));
            JsonNode last =
                    CLIENT.json(
                            path
                                    + "/bitmaps/a/extents?cursor="
                                    + first.path("nextCursor").asString());
            assertThat(last.path("complete").asBoolean()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7})
    void pagesGoThroughEveryName(int limit) {
        HOSTILE.forEach(this::copy);
        List<String> found = new ArrayList<>();
        JsonNode page = CLIENT.json("/v1/images?limit=%d&prefix=%s".formatted(limit, prefix));
        while (true) {
            assertThat(page.path("images").size()).isLessThanOrEqualTo(limit);
            page.path("images").forEach(image -> found.add(image.path("id").asString()));
            if (!page.has("nextCursor")) {
                break;
            }
            // The prefix is in the cursor; it may be repeated.
            page =
                    CLIENT.json(
                            "/v1/images?limit=%d&cursor=%s%s"
                                    .formatted(
                                            limit,
                                            page.path("nextCursor").asString(),
                                            found.size() % 2 == 0 ? "" : "&prefix=" + prefix));
        }
        assertThat(found).isEqualTo(ids());
    }

    @Test
    void prefixesAreBytes() {
        HOSTILE.forEach(this::copy);
        for (String start :
                List.of(
                        "",
                        "d",
                        "deep",
                        "deep/",
                        "deep/er",
                        "deep/.",
                        ".",
                        "..",
                        "...",
                        "~",
                        "%",
                        "new\n",
                        "caf\u00c3",
                        "\u00ed\u00a0",
                        "\u00ff",
                        "latin-",
                        "absent",
                        "l",
                        LONG_FOLDER,
                        "plain.qcow2",
                        "plain.qcow2x")) {
            List<String> expected =
                    names.stream()
                            .filter(name -> name.startsWith(start))
                            .sorted((a, b) -> Arrays.compareUnsigned(bytes(a), bytes(b)))
                            .map(name -> prefix + inFolder(name))
                            .toList();
            assertThat(listed("/v1/images?limit=1000&prefix=" + prefix + inFolder(start)))
                    .as("prefix '%s'", start)
                    .isEqualTo(expected);
        }
        for (String broken : List.of("caf~", "caf~C", "caf~c3", "caf~6", "~61", "caf%C3", "a b")) {
            CLIENT.get("/v1/images?prefix=" + prefix + broken.replace(" ", "%20"))
                    .problem(400, "invalid-request");
        }
    }

    @Test
    void aFileThatVanishesOrAppearsBetweenPagesMovesNoOther() {
        HOSTILE.forEach(this::copy);
        List<String> ids = ids();
        JsonNode page = CLIENT.json("/v1/images?limit=5&prefix=" + prefix);
        // The last one of the page itself goes, and one before it comes.
        Command.of("rm", "--").with(bytes(sorted().get(4))).in(folder).run();
        Command.of("cp", "original", "!first").in(folder).run();
        String cursor = page.path("nextCursor").asString();
        assertThat(listed("/v1/images?limit=1000&cursor=" + cursor))
                .isEqualTo(ids.subList(5, ids.size()));
    }

    private List<String> sorted() {
        return names.stream().sorted((a, b) -> Arrays.compareUnsigned(bytes(a), bytes(b))).toList();
    }

    /// A path that no system call takes in one piece: it must not hide the images beside it.
    @Test
    void aFolderTooDeepToOpenHidesNothing() {
        copy("before");
        copy("zzz");
        String script =
                "n=$(printf 'x%.0s' {1..200}); for i in {1..25}; do mkdir $n && cd $n || exit 1;"
                        + " cp \"$OLDPWD/nothing\" . 2>/dev/null; done; touch too-deep";
        Command.of("bash", "-c", script).in(folder).run();
        assertThat(listed()).isEqualTo(ids());
        CLIENT.get("/v1/images/" + prefix + ("x".repeat(200) + "~2F").repeat(25) + "too-deep")
                .problem(404, "image-not-found");
        CLIENT.get("/v1/images/" + prefix + "x".repeat(256)).problem(404, "image-not-found");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "~",
                "~2",
                "~2f",
                "~61",
                "~5F",
                "a~",
                "a~4",
                "a~zz",
                "a%20b",
                "a+b",
                "a%2Bb",
                "caf%C3%A9",
                "a%2525",
                "%00",
                ".",
                "..",
                "%2E%2E",
                "...",
                "a;b",
                "a!b",
                "a@b"
            })
    void whatIsNotTheCanonicalIdIsRefused(String id) {
        // An HTTP client resolves dots before it sends them, so they are given inside a name.
        String given = id.matches("[.]+") ? "%7E2e" + id.substring(1) : id;
        CLIENT.get("/v1/images/" + given).problem(400, "invalid-request");
        CLIENT.get("/v1/images/%soriginal/bitmaps/%s".formatted(prefix, given))
                .problem(400, "invalid-request");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "~2F",
                "~2Fetc~2Fpasswd",
                "..~2Fetc",
                "a~2F..~2Foriginal",
                "a~2F.~2Foriginal",
                "original~2F",
                "original~2Fa",
                "~2E",
                "~2E.",
                "absent",
                "~00",
                "original~00"
            })
    void namesThatLeadNowhereAreAbsent(String id) {
        CLIENT.get("/v1/images/" + (id.startsWith("~2") || id.startsWith("..") ? "" : prefix) + id)
                .problem(404, "image-not-found");
    }

    @Test
    void onlyRegularQcow2FilesAreImages() throws IOException {
        copy("folder/inside");
        Path outside = Files.createTempFile("outside", ".qcow2");
        Files.copy(folder.resolve("original"), outside, StandardCopyOption.REPLACE_EXISTING);
        Files.createSymbolicLink(folder.resolve("link"), Path.of("original"));
        Files.createSymbolicLink(folder.resolve("link-out"), outside);
        Files.createSymbolicLink(folder.resolve("link-folder"), Path.of("folder"));
        Files.createSymbolicLink(folder.resolve("link-nowhere"), Path.of("nothing"));
        Programs.run(folder, "mkfifo", "fifo");
        try (ServerSocketChannel socket = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            socket.bind(UnixDomainSocketAddress.of(folder.resolve("socket")));
        }
        Programs.tryRun(folder, "mknod", "device", "c", "1", "5");
        Files.write(folder.resolve("empty"), new byte[0]);
        Files.write(folder.resolve("magic-cut"), new byte[] {'Q', 'F', 'I'});
        Files.write(folder.resolve("raw"), new byte[65536]);
        Files.writeString(folder.resolve("text"), "not an image\n");
        assertThat(listed()).isEqualTo(ids());
        for (String absent :
                List.of(
                        "link",
                        "link-out",
                        "link-folder~2Finside",
                        "link-nowhere",
                        "fifo",
                        "socket",
                        "device",
                        "folder",
                        "empty",
                        "magic-cut",
                        "raw",
                        "text")) {
            String path = "/v1/images/" + prefix + absent;
            CLIENT.get(path).problem(404, "image-not-found");
            CLIENT.get(path + "/bitmaps").problem(404, "image-not-found");
            CLIENT.get(path + "/bitmaps/a").problem(404, "image-not-found");
            CLIENT.get(path + "/bitmaps/a/bits").problem(404, "image-not-found");
            CLIENT.get(path + "/bitmaps/a/extents").problem(404, "image-not-found");
        }
        Files.delete(outside);
    }

    @Test
    void ourOwnFolderIsNotServed() throws IOException {
        Path own = Files.createDirectories(SERVER.root().resolve(".dirtymap/inner"));
        Programs.run(folder, "cp", "original", own.resolve("disk.qcow2").toString());
        Path similar = Files.createDirectories(SERVER.root().resolve(".dirtymap2"));
        Programs.run(folder, "cp", "original", similar.resolve("disk.qcow2").toString());
        try {
            assertThat(listed("/v1/images?prefix=.dirtymap"))
                    .containsExactly(".dirtymap2~2Fdisk.qcow2");
            CLIENT.get("/v1/images/.dirtymap~2Finner~2Fdisk.qcow2").problem(404, "image-not-found");
            CLIENT.get("/v1/images/.dirtymap").problem(404, "image-not-found");
            assertThat(CLIENT.get("/v1/images/.dirtymap2~2Fdisk.qcow2").status()).isEqualTo(200);
        } finally {
            Programs.run(SERVER.root(), "rm", "-r", ".dirtymap", ".dirtymap2");
        }
    }

    @Test
    void anImageThatCannotBeReadIsListedWithItsReason() {
        copy("broken");
        new ImageBytes(folder.resolve("broken")).u32(4, 9);
        assertThat(listed()).isEqualTo(ids());
        String path = "/v1/images/" + prefix + "broken";
        JsonNode image = CLIENT.json(path);
        assertThat(image.path("state").asString()).isEqualTo("UNREADABLE");
        assertThat(image.path("reason").asString()).contains("version").contains("9");
        assertThat(image.path("opensInQemu").asBoolean())
                .isEqualTo(new QemuImg(folder).opens("broken").opens());
        for (String below :
                List.of("/bitmaps", "/bitmaps/a", "/bitmaps/a/bits", "/bitmaps/a/extents")) {
            CLIENT.get(path + below).problem(422, "image-unreadable");
        }
        assertThat(
                        CLIENT.json("/v1/images?state=UNREADABLE&prefix=" + prefix)
                                .path("images")
                                .get(0))
                .isEqualTo(image);
    }

    @Test
    void filtersNarrowTheList() {
        new QemuImg(folder).create("none", "1G");
        copy("orphaned");
        new ImageBytes(folder.resolve("orphaned")).clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        copy("unreadable");
        new ImageBytes(folder.resolve("unreadable")).u32(20, 99);
        copy("corrupt");
        ImageBytes corrupt = new ImageBytes(folder.resolve("corrupt"));
        corrupt.u64(corrupt.directoryEntry(0), 512);
        copy("unsupported");
        ImageBytes unsupported = new ImageBytes(folder.resolve("unsupported"));
        unsupported.u8(unsupported.directoryEntry(0) + 16, 7);
        copy("inconsistent");
        ImageBytes inconsistent = new ImageBytes(folder.resolve("inconsistent"));
        inconsistent.u32(inconsistent.directoryEntry(0) + 12, 3);
        copy("used");
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "used", false);
            assertFilter("state=IN_USE", "used");
            assertFilter("state=UNREADABLE", "unreadable");
            assertFilter(
                    "state=AVAILABLE",
                    "corrupt",
                    "inconsistent",
                    "none",
                    "original",
                    "orphaned",
                    "unsupported");
            assertFilter("bitmapsState=NONE", "none");
            assertFilter("bitmapsState=VALID", "inconsistent", "original", "used");
            assertFilter("bitmapsState=ORPHANED", "orphaned");
            assertFilter("bitmapsState=CORRUPT", "corrupt");
            assertFilter("bitmapsState=UNSUPPORTED", "unsupported");
            assertFilter("hasInconsistent=true", "inconsistent");
            assertFilter("bitmapsState=VALID&hasInconsistent=false&state=AVAILABLE", "original");
            assertFilter("bitmapsState=NONE&hasInconsistent=true");
        }
        for (String wrong :
                List.of("state=available", "state=", "bitmapsState=ANY", "hasInconsistent=1")) {
            CLIENT.get("/v1/images?" + wrong).problem(400, "invalid-request");
        }
    }

    private void assertFilter(String filter, String... expected) {
        List<String> found = new ArrayList<>();
        String path = "/v1/images?limit=1&prefix=%s&%s".formatted(prefix, filter);
        JsonNode page = CLIENT.json(path);
        while (true) {
            page.path("images").forEach(image -> found.add(image.path("id").asString()));
            if (!page.has("nextCursor")) {
                break;
            }
            String cursor = page.path("nextCursor").asString();
            CLIENT.get("/v1/images?state=%s&cursor=%s".formatted(other(filter), cursor))
                    .problem(400, "cursor-invalid");
            page = CLIENT.json("/v1/images?limit=1&cursor=" + cursor);
        }
        assertThat(found)
                .as(filter)
                .containsExactly(
                        Arrays.stream(expected).map(name -> prefix + name).toArray(String[]::new));
    }

    /// A state that the filter does not ask for.
    private static String other(String filter) {
        return filter.contains("state=AVAILABLE") ? "IN_USE" : "AVAILABLE";
    }

    @Test
    void theLongestNamesOfImageAndBitmapWorkTogether() {
        String deep = LONG_FOLDER.repeat(15) + "\u00ff".repeat(120);
        byte[] longest = new byte[1023];
        Arrays.fill(longest, (byte) 0xfe);
        new QemuImg(folder).bitmapAdd("original", longest, 65536, true);
        copy(deep);
        String path =
                "/v1/images/%s/bitmaps/%s".formatted(prefix + inFolder(deep), "~FE".repeat(1023));
        JsonNode bitmap = CLIENT.json(path);
        assertThat(bitmap.path("id").asString()).isEqualTo("~FE".repeat(1023));
        assertThat(bitmap.path("name").asString()).isEqualTo("\uFFFD".repeat(1023));
        assertThat(CLIENT.json(path + "/extents?limit=5").path("complete").asBoolean()).isTrue();
        assertThat(CLIENT.get(path + "/bits").body()).hasSize(2048);
        CLIENT.get(path + "~FE").problem(404, "bitmap-not-found");
    }

    @Test
    void aListGoesOnAfterTheLongestName() {
        String start = ("\u00ff".repeat(250) + "/").repeat(14) + "\u00ff".repeat(200);
        copy(start);
        copy(start + "a");
        String path = "/v1/images?limit=1&prefix=" + prefix + inFolder(start);
        String cursor = CLIENT.json(path).path("nextCursor").asString();
        assertThat(cursor).hasSizeBetween(25_000, 33_000);
        assertThat(listed("/v1/images?limit=1&cursor=" + cursor))
                .containsExactly(prefix + inFolder(start + "a"));
    }

    /// As in a container: names are bytes there too.
    @Test
    void worksWhereTheLocaleKnowsOnlyAscii(@TempDir Path working) {
        copy("caf\u00c3\u00a9/\u00e9.qcow2");
        try (ServiceProcess service =
                ServiceProcess.start(working, Map.of("LC_ALL", "C"), "dirtymap.root=" + folder)) {
            Client client = service.client();
            JsonNode images = client.json("/v1/images").path("images");
            assertThat(images.size()).isEqualTo(2);
            assertThat(images.get(0).path("id").asString()).isEqualTo("caf~C3~A9~2F~E9.qcow2");
            assertThat(images.get(0).path("name").asString()).isEqualTo("caf\u00e9/\uFFFD.qcow2");
            String path = "/v1/images/caf~C3~A9~2F~E9.qcow2/bitmaps/a";
            assertThat(client.json(path).path("dirtyBytes").asLong()).isEqualTo(131072);
            assertThat(client.json(path + "/extents").path("extents").size()).isEqualTo(2);
            client.get("/v1/images/caf~E9").problem(404, "image-not-found");
        }
    }
}
