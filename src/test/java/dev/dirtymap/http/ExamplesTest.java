package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.images.SampleImage;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.StorageDaemon;
import io.restassured.RestAssured;
import io.restassured.config.EncoderConfig;
import io.restassured.http.ContentType;
import io.restassured.response.Response;
import io.restassured.specification.RequestSpecification;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.core.util.DefaultIndenter;
import tools.jackson.core.util.DefaultPrettyPrinter;
import tools.jackson.core.util.Separators;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Every example of the contract is what the server answers, to the letter. The server serves the sample
/// image and copies of it, each broken or held in its own way.
///
/// With `-Ddirtymap.examples.write=true` the bodies in the files are replaced by what it answers.
class ExamplesTest {

    private static final Path FOLDER = Path.of("src/main/resources/openapi-examples");

    private static final boolean WRITE = Boolean.getBoolean("dirtymap.examples.write");

    /// What differs from one machine to the next: compared by presence and type only.
    private static final Set<String> MACHINE_DEPENDENT =
            Set.of("nextCursor", "allocatedSize", "etag");

    /// A cursor of the same list, from before the image changed.
    private static final String STALE_CURSOR = "{staleCursor}";

    /// The ETag of the same request's answer.
    private static final String ETAG = "{etag}";

    private static final Pattern FILE_NAME = Pattern.compile("([0-9]{3})-[a-z0-9-]+\\.json");

    /// The service's own lock (`api.md` 7).
    private static final long SERVICE_BYTE = 300;

    @TempDir static Path root;
    @TempDir static Path originals;

    private static Server server;
    private static StorageDaemon otherProgram;
    private static RootFolder folder;
    private static PosixFile otherReplica;

    @BeforeAll
    static void start() throws IOException {
        Path sample = SampleImage.write(root.resolve("sample.qcow2"));
        ImageBytes bytes = copy(sample, "inconsistent.qcow2");
        long flags = bytes.directoryEntry(0) + 12;
        bytes.u32(flags, bytes.u32(flags) | 1);
        copy(sample, "orphaned.qcow2").clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        bytes = copy(sample, "corrupt.qcow2");
        bytes.u64(bytes.directoryEntry(0), 1L << 40);
        bytes = copy(sample, "unsupported.qcow2");
        bytes.u8(bytes.directoryEntry(0) + 16, 2);
        copy(sample, "unreadable.qcow2").u32(20, 40);
        copy(sample, "unknown.qcow2").u64(ImageBytes.INCOMPATIBLE_FEATURES, 1L << 40);
        copy(sample, "dirty.qcow2").u64(ImageBytes.INCOMPATIBLE_FEATURES, 1);
        copy(sample, "damaged.qcow2").u64(ImageBytes.INCOMPATIBLE_FEATURES, 2);
        bytes = copy(sample, "broken.qcow2");
        bytes.u32(bytes.directoryEntry(0) + 20, 1 << 30);
        copy(sample, "second.qcow2");
        QemuImg qemuImg = new QemuImg(root);
        qemuImg.create("version2.qcow2", "10G", "compat=0.10");
        qemuImg.create("tiny.qcow2", "1M");
        qemuImg.bitmapAdd("tiny.qcow2", "tiny", 65536, true);
        qemuImg.create("huge.qcow2", "8T");
        qemuImg.bitmapAdd("huge.qcow2", "wide", 1 << 20, true);
        qemuImg.create("missing.qcow2", "10G");
        qemuImg.run(
                "create",
                "-q",
                "-f",
                "qcow2",
                "-b",
                "missing.qcow2",
                "-F",
                "qcow2",
                "overlay.qcow2");
        Files.delete(root.resolve("missing.qcow2"));
        keep();
        copy(sample, "locked.qcow2");
        copy(sample, "queued.qcow2");

        otherProgram = StorageDaemon.start(root);
        otherProgram.open("locked", "locked.qcow2", false);
        folder = RootFolder.open(root);
        otherReplica = folder.openFile("queued.qcow2".getBytes(US_ASCII), true);
        assertThat(otherReplica.tryLockExclusive(SERVICE_BYTE)).isTrue();
        server = Server.start(root, "dirtymap.lock-wait=100ms");
    }

    private static ImageBytes copy(Path sample, String name) {
        return ImageBytes.copy(sample, root.resolve(name));
    }

    @AfterAll
    static void stop() {
        server.close();
        otherReplica.close();
        folder.close();
        otherProgram.close();
    }

    static Stream<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(FOLDER)) {
            return files.filter(Files::isRegularFile).sorted().toList().stream()
                    .map(FOLDER::relativize);
        }
    }

    @ParameterizedTest
    @MethodSource("files")
    void theServerAnswersAsShown(Path file) throws IOException {
        assertThat(file.getFileName().toString()).matches(FILE_NAME);
        int status = Integer.parseInt(file.getFileName().toString().substring(0, 3));
        ObjectNode example =
                (ObjectNode) JsonMapper.shared().readTree(FOLDER.resolve(file).toFile());
        Response response = send(example.path("request"));
        assertThat(response.statusCode()).as(response.asString()).isEqualTo(status);
        boolean json = String.valueOf(response.contentType()).contains("json");
        if (WRITE && json) {
            write(file, example, Contract.json(response.asString()));
        }
        assertThat(example.has("body")).as("has a body").isEqualTo(json);
        if (json) {
            assertThat(portable(Contract.json(response.asString())))
                    .as(() -> response.asString())
                    .isEqualTo(portable(example.path("body")));
        }
    }

    /// Copies all images that an example may change.
    private static void keep() throws IOException {
        try (Stream<Path> images = Files.list(root)) {
            for (Path image : images.toList()) {
                Files.copy(image, originals.resolve(image.getFileName()));
            }
        }
    }

    /// Makes all images what they were, and removes those that were made.
    private static void restore() throws IOException {
        try (Stream<Path> images = Files.list(originals)) {
            for (Path image : images.toList()) {
                Files.copy(
                        image,
                        root.resolve(image.getFileName()),
                        StandardCopyOption.REPLACE_EXISTING);
            }
        }
        Files.deleteIfExists(root.resolve("vm2/disk0.qcow2"));
        Files.deleteIfExists(root.resolve("vm2"));
    }

    private static Response send(JsonNode request) throws IOException {
        try {
            return exchange(request);
        } finally {
            if (request.has("method")) {
                restore();
            }
        }
    }

    private static Response exchange(JsonNode request) throws IOException {
        String path = request.path("path").asString();
        if (path.contains(STALE_CURSOR)) {
            return sendStale(path);
        }
        RequestSpecification specification = request();
        for (Map.Entry<String, JsonNode> header : request.path("headers").properties()) {
            String value = header.getValue().asString();
            specification.header(
                    header.getKey(),
                    value.equals(ETAG) ? request().get(path).getHeader("ETag") : value);
        }
        if (request.has("bits")) {
            byte[] bits = new byte[request.path("bits").path("length").asInt()];
            Arrays.fill(bits, 0, bits.length / 2, (byte) 0x55);
            specification
                    .contentType(request.path("type").asString("application/octet-stream"))
                    .body(bits);
        } else if (request.has("body")) {
            specification
                    .config(
                            RestAssured.config()
                                    .encoderConfig(
                                            EncoderConfig.encoderConfig()
                                                    .encodeContentTypeAs(
                                                            "application/json", ContentType.TEXT)))
                    .contentType(request.path("type").asString("application/json"))
                    .body(request.path("body").toString());
        }
        return specification.request(request.path("method").asString("GET"), path);
    }

    /// Asks for a first page, changes the image by renaming its first bitmap, and asks on.
    private static Response sendStale(String path) throws IOException {
        String firstPage = path.replace("cursor=" + STALE_CURSOR, "limit=1");
        String cursor = request().get(firstPage).path("nextCursor");
        Path image = root.resolve(path.replaceFirst("/v1/images/([^/]+)/.*", "$1"));
        ImageBytes bytes = new ImageBytes(image);
        long name = bytes.directoryEntry(0) + 24;
        int first = bytes.u8(name);
        bytes.u8(name, 'D');
        try {
            return request().get(path.replace(STALE_CURSOR, cursor));
        } finally {
            bytes.u8(name, first);
        }
    }

    /// While examples are written, the contract is not settled yet.
    private static RequestSpecification request() {
        return WRITE ? server.request().noFilters() : server.request();
    }

    /// The same value with the type's name for whatever depends on the machine.
    private static JsonNode portable(JsonNode value) {
        JsonNode copy = value.deepCopy();
        for (String member : MACHINE_DEPENDENT) {
            for (JsonNode parent : copy.findParents(member)) {
                ((ObjectNode) parent).put(member, parent.path(member).getNodeType().toString());
            }
        }
        return copy;
    }

    private static void write(Path file, ObjectNode example, JsonNode body) throws IOException {
        if (!portable(body).equals(portable(example.path("body")))) {
            example.set("body", body);
        }
        DefaultPrettyPrinter.Indenter lines = new DefaultIndenter("  ", "\n");
        DefaultPrettyPrinter printer =
                new DefaultPrettyPrinter(
                                Separators.createDefaultInstance()
                                        .withObjectNameValueSpacing(Separators.Spacing.AFTER)
                                        .withArrayEmptySeparator(""))
                        .withObjectIndenter(lines)
                        .withArrayIndenter(lines);
        Files.writeString(
                FOLDER.resolve(file),
                JsonMapper.shared().writer().with(printer).writeValueAsString(example) + "\n");
    }

    /// Every status of every operation has an example, but for what nobody can bring about at will, and for 401 and 403,
    /// which are the same everywhere (`AccessTableTest` holds each operation to them).
    @Test
    void everyAnswerHasAnExample() throws IOException {
        Set<String> shown =
                files().map(file -> file.toString().replaceFirst("/([0-9]{3})-.*", " $1"))
                        .collect(Collectors.toCollection(TreeSet::new));
        Set<String> documented = new TreeSet<>();
        Contract.committed()
                .operations()
                .forEach((id, operation) ->
                        operation
                                .path("responses")
                                .propertyNames()
                                .forEach(status -> documented.add(id + " " + status)));
        documented.removeIf(answer -> answer.matches(".* (401|403|413|500|503|507)"));
        // Outside the prefixes of a token.
        documented.remove("createImage 404");
        documented.remove("getBitmap 409");
        documented.remove("checkImage 409");
        documented.remove("getImage 409");
        assertThat(shown).isEqualTo(documented);
    }
}
