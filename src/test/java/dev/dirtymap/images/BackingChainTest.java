package dev.dirtymap.images;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.images.BitmapContent.LockLostException;
import dev.dirtymap.posix.RootFolder;
import dev.dirtymap.qcow2.MapExtent;
import dev.dirtymap.qcow2.MapPiece;
import dev.dirtymap.qcow2.MapScanner;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Which files of a chain are opened, and which are not.
class BackingChainTest {

    @TempDir private Path outside;

    private Path folder = Path.of(".");
    private RootFolder root = openRoot(folder);

    private static RootFolder openRoot(Path path) {
        try {
            return RootFolder.open(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @BeforeEach
    void open() throws IOException {
        root.close();
        folder = Files.createDirectories(outside.resolve("root"));
        Files.createDirectories(folder.resolve("vm/deep"));
        root = openRoot(folder);
    }

    @AfterEach
    void close() {
        root.close();
    }

    @Test
    void namesAreRelativeToTheImageThatHasThem() throws Exception {
        create("base.raw", "1M", List.of(), "raw");
        Files.write(folder.resolve("base.raw"), new byte[] {1, 2, 3});
        create("vm/deep/middle.qcow2", "2M", List.of("-b", "../../base.raw", "-F", "raw"), "qcow2");
        QemuIo.run(folder.resolve("vm/deep/middle.qcow2"), "write 1M 64k");
        create(
                "vm/top.qcow2",
                "3M",
                List.of("-b", folder.resolve("vm/deep/middle.qcow2").toString(), "-F", "qcow2"),
                "qcow2");
        QemuIo.run(folder.resolve("vm/top.qcow2"), "write 2M 64k");

        assertThat(map("vm/top.qcow2", true).stream().map(MapExtent::depth).distinct())
                .containsExactlyInAnyOrder(0, 1, 2);
        assertThat(map("vm/top.qcow2", false).stream().map(MapExtent::depth).distinct())
                .containsExactly(0);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    ../../secret.qcow2            | it is outside the root
                    /etc/hostname                 | it is outside the root
                    /                             | it is outside the root
                    json:{"file":"base.qcow2"}    | only names of files are followed, no protocols
                    nbd://localhost/disk          | only names of files are followed, no protocols
                    file:base.qcow2               | only names of files are followed, no protocols
                    missing.qcow2                 | there is no such file
                    ../.dirtymap/own              | there is no such file
                    .                             | there is no such file
                    link.qcow2                    | there is no such file
                    top.qcow2                     | the chain comes back to it
                    text                          | it is no qcow2 image
                    """)
    void whatMustNotBeReadIsNotRead(String name, String reason) throws Exception {
        Path secret = outside.resolve("secret.qcow2");
        Files.writeString(secret, "secret");
        Files.createSymbolicLink(folder.resolve("vm/link.qcow2"), secret);
        Files.writeString(folder.resolve("vm/text"), "text");
        Files.createDirectory(folder.resolve(".dirtymap"));
        Files.writeString(folder.resolve(".dirtymap/own"), "own");
        create("vm/top.qcow2", "1M", List.of("-u", "-b", name, "-F", "qcow2"), "qcow2");

        assertThatExceptionOfType(BackingUnavailableException.class)
                .isThrownBy(() -> map("vm/top.qcow2", true))
                .withMessage("'%s', which 'vm/top.qcow2' needs, cannot be read: %s", name, reason);
        assertThat(map("vm/top.qcow2", false)).hasSize(1);
    }

    @Test
    void anUnknownFormatIsNotGuessed() throws Exception {
        create("base.raw", "1M", List.of(), "raw");
        create("top.qcow2", "1M", List.of("-u", "-b", "base.raw", "-F", "vmdk"), "qcow2");

        assertThatExceptionOfType(BackingUnavailableException.class)
                .isThrownBy(() -> map("top.qcow2", true))
                .satisfies(e -> assertThat(e.reason()).isEqualTo("its format 'vmdk' is not known"));
    }

    @Test
    void aLoopOfTwoIsNoticed() throws Exception {
        create("a.qcow2", "1M", List.of("-u", "-b", "b.qcow2", "-F", "qcow2"), "qcow2");
        create("b.qcow2", "1M", List.of("-u", "-b", "a.qcow2", "-F", "qcow2"), "qcow2");

        assertThatThrownBy(() -> map("a.qcow2", true))
                .hasMessage(
                        "'a.qcow2', which 'b.qcow2' needs, cannot be read: the chain comes back to it");
    }

    @Test
    void aDataFileIsNeeded() throws Exception {
        new QemuImg(folder).create("disk.qcow2", "1M", "data_file=disk.data");
        QemuIo.run(folder.resolve("disk.qcow2"), "write 64k 64k");
        assertThat(map("disk.qcow2", false)).hasSizeGreaterThanOrEqualTo(3);

        Files.delete(folder.resolve("disk.data"));

        assertThatThrownBy(() -> map("disk.qcow2", false))
                .hasMessage(
                        "'disk.data', which 'disk.qcow2' needs, cannot be read: there is no such file");
    }

    @Test
    void aBackingFileThatIsWrittenToIsLocked() throws Exception {
        new QemuImg(folder).create("base.qcow2", "1M");
        create("top.qcow2", "1M", List.of("-b", "base.qcow2", "-F", "qcow2"), "qcow2");
        try (StorageDaemon daemon = StorageDaemon.start(folder)) {
            daemon.open("disk", "base.qcow2", false);

            assertThatThrownBy(() -> map("top.qcow2", true)).isInstanceOf(LockLostException.class);
            assertThat(map("top.qcow2", false)).hasSize(1);
        }
    }

    @Test
    void aBackingFileThatChangesIsNoticed() throws Exception {
        new QemuImg(folder).create("base.qcow2", "1M");
        create("top.qcow2", "1M", List.of("-b", "base.qcow2", "-F", "qcow2"), "qcow2");
        try (BackingChain chain = chain("top.qcow2", true)) {
            QemuIo.run(folder.resolve("base.qcow2"), "write 0 64k");

            assertThatThrownBy(() -> chain.read(0, new MapPiece(10)))
                    .isInstanceOf(ContentChangedException.class);
        }
    }

    private void create(String name, String size, List<String> words, String format) {
        List<String> command = new ArrayList<>(List.of("qemu-img", "create", "-q", "-f", format));
        command.addAll(words);
        command.add(name);
        command.add(size);
        Programs.run(folder, command.toArray(String[]::new));
    }

    private BackingChain chain(String name, boolean follow) throws ImageException, IOException {
        return BackingChain.open(
                root,
                folder.toAbsolutePath().normalize().toString().getBytes(UTF_8),
                NamePrefixes.ALL,
                Id.of(name.getBytes(UTF_8)),
                Duration.ofMillis(200),
                follow,
                new ImageMeters(new SimpleMeterRegistry()));
    }

    private List<MapExtent> map(String name, boolean follow) throws ImageException, IOException {
        try (BackingChain chain = chain(name, follow)) {
            List<MapExtent> extents = new ArrayList<>();
            MapScanner scanner = new MapScanner(chain, 0, chain.virtualSize());
            for (MapExtent next = scanner.next(); next != null; next = scanner.next()) {
                extents.add(next);
            }
            return extents;
        }
    }
}
