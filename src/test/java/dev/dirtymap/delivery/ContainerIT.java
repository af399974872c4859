package dev.dirtymap.delivery;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the container needs, shown without a container: the image's own runtime, jars, cache and words, as another user
/// with no capability. `bin/prove-image` does the same in the built image, on a read-only root file system.
class ContainerIT {

    /// The group of the images, which nobody has otherwise.
    private static final int GROUP = 10107;

    @TempDir private static Path folder;

    private static UnpackedService service;

    @BeforeAll
    static void unpack() throws IOException {
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
        service = UnpackedService.make(folder.toRealPath());
    }

    @Test
    void theRuntimeHasTheModulesThatTheJarsUse() throws IOException {
        assertThat(Dockerfile.modules()).isEqualTo(service.modulesInUse());
    }

    @Test
    void aUserWithoutRightsWritesNothingButImagesAndTheEmptyFolder() throws Exception {
        Path here = folder.toRealPath();
        Path images = Files.createDirectory(here.resolve("images"));
        Path temporary = Files.createDirectory(here.resolve("tmp"));
        Path traces = Files.createDirectory(here.resolve("traces"));
        QemuImg qemu = new QemuImg(images);
        Path disk = qemu.create("disk.qcow2", "1G");
        qemu.bitmapAdd("disk.qcow2", "daily", 65536, true);
        share(images, "rwxrwx---");
        share(disk, "rw-rw----");
        Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rwxrwxrwx"));
        Map<String, String> environment =
                Map.of(
                        "DIRTYMAP_ROOT",
                        images.toString(),
                        "SERVER_ADDRESS",
                        "127.0.0.1",
                        "SERVER_PORT",
                        "0",
                        // The start fails if the cache is not used.
                        "JAVA_TOOL_OPTIONS",
                        "-XX:AOTMode=on -Djava.io.tmpdir=" + temporary);

        try (TracedService running =
                TracedService.start(service.command(), GROUP, environment, traces)) {
            Client client = new Client(running.port());
            assertHasNoRights(running.status());
            assertThat(client.json("/v1/images").toString()).contains("disk.qcow2");
            client.send(
                            "POST",
                            "/v1/images/disk.qcow2/bitmaps/daily/mark",
                            "{\"ranges\":[{\"offset\":0,\"length\":131072}],\"dirty\":true}")
                    .json();
            client.send("POST", "/v1/images", "{\"name\":\"new.qcow2\",\"virtualSize\":1048576}")
                    .json(201);
            String stream =
                    new String(
                            client.get(
                                            "/v1/images/disk.qcow2/bitmaps/daily/extents",
                                            "Accept",
                                            "application/x-ndjson")
                                    .body(),
                            UTF_8);
            assertThat(stream).contains("\"length\":131072").contains("\"complete\":true");
            assertThat(running.stop()).as("as SIGTERM ends programs").isEqualTo(143);
            assertThat(running.log()).doesNotContain("[aot]", "restricted method");
        }
        qemu.assertClean("disk.qcow2");
        String root = images + "/";
        String empty = temporary + "/";
        Set<String> written = WrittenFiles.of(traces);
        assertThat(written).contains(disk.toString()).anyMatch(file -> file.startsWith(empty));
        assertThat(written)
                .allMatch(file ->
                        file.startsWith(root)
                                || file.startsWith(empty)
                                || file.matches("/dev/null|/proc/(self|\\d+)/.*"));
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left).isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '\'',
            value = {
                "openat(AT_FDCWD</a>, \"b\", O_RDWR|O_CLOEXEC) = 5</a/b> ; /a/b",
                "openat(AT_FDCWD</a>, \"/etc/x\", O_WRONLY|O_CREAT, 0644) = 5</etc/x> ; /etc/x",
                "openat2(3</a>, \"b\", {flags=O_RDWR, resolve=RESOLVE_BENEATH}, 24) = 4</a/b> ; /a/b",
                "openat(AT_FDCWD</a>, \"/proc/self/fd/4\", O_RDWR) = 5</a/b> ; /a/b",
                "mkdir(\"/a/b\", 0700) = 0 ; /a/b",
                "unlinkat(3</a>, \"b\", 0) = 0 ; /a/b",
                "renameat2(3</a>, \"b\", 3</a>, \"b\", 0) = 0 ; /a/b",
                "fchmod(5</a/b>, 0600) = 0 ; /a/b",
                "openat(AT_FDCWD</a>, \"b\", O_RDONLY|O_CLOEXEC) = 5</a/b> ; ''",
                "openat(AT_FDCWD</a>, \"b\", O_RDWR) = -1 EACCES (Permission denied) ; ''",
                "mkdir(\"/a/b\", 0700) = -1 EROFS (Read-only file system) ; ''"
            })
    void everyFormOfACallIsUnderstood(String call, String file) {
        Set<String> files = new TreeSet<>();
        WrittenFiles.add(call, files);
        assertThat(String.join(" ", files)).isEqualTo(file);
    }

    private static void assertHasNoRights(Map<String, String> status) {
        assertThat(status)
                .containsEntry("NoNewPrivs", "1")
                .containsEntry("CapEff", "0000000000000000");
        if (TracedService.isRoot()) {
            assertThat(status.get("Uid")).startsWith(Dockerfile.user() + "\t");
            assertThat(status)
                    .containsEntry("CapBnd", "0000000000000000")
                    .containsEntry("Groups", "");
        }
    }

    /// Gives a file to the group of the images, where this is allowed.
    private static void share(Path file, String rights) throws IOException {
        if (TracedService.isRoot()) {
            Files.setAttribute(file, "unix:gid", GROUP);
        }
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(rights));
    }
}
