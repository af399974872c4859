package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RootFolderTest {

    @TempDir Path temp;
    private Path folder;

    @BeforeEach
    void files() throws IOException {
        folder = Files.createDirectories(temp.resolve("root"));
        Files.createDirectories(folder.resolve("a/b"));
        Files.writeString(folder.resolve("disk"), "top");
        Files.writeString(folder.resolve("a/b/disk"), "deep");
        Files.createDirectory(temp.resolve("outside"));
        Files.writeString(temp.resolve("outside/disk"), "outside");
    }

    @ParameterizedTest
    @CsvSource({"disk, top", "a/b/disk, deep"})
    void opensARegularFileByItsPath(String path, String content) throws IOException {
        try (RootFolder root = RootFolder.open(folder)) {
            assertThat(read(root, path)).isEqualTo(content);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "/",
                ".",
                "..",
                "missing",
                "a/missing",
                "../outside/disk",
                "a/../../outside/disk",
                "a/../disk",
                "a/b/..",
                "./disk",
                "a/./b/disk",
                "a/b/disk/.",
                "a//b/disk",
                "//disk",
                "/disk",
                "disk/",
                "a/b/",
                "disk/x",
                "disk\0",
                "disk\0.qcow2",
                "a",
                "a/b",
                "...",
                "etc/passwd",
            })
    void takesAnyOtherPathForAbsent(String path) throws IOException {
        try (RootFolder root = RootFolder.open(folder)) {
            assertAbsent(root, path);
        }
    }

    @Test
    void takesAnAbsolutePathForAbsentEvenWhenItLeadsInside() throws IOException {
        try (RootFolder root = RootFolder.open(folder)) {
            assertAbsent(root, folder.resolve("disk").toString());
        }
    }

    @Test
    void takesEverySymbolicLinkForAbsent() throws IOException {
        Files.createSymbolicLink(folder.resolve("toFile"), Path.of("disk"));
        Files.createSymbolicLink(folder.resolve("toFolder"), Path.of("a"));
        Files.createSymbolicLink(folder.resolve("a/up"), Path.of(".."));
        Files.createSymbolicLink(folder.resolve("absolute"), folder.resolve("disk"));
        Files.createSymbolicLink(folder.resolve("outsideFile"), temp.resolve("outside/disk"));
        Files.createSymbolicLink(folder.resolve("outsideFolder"), temp.resolve("outside"));
        Files.createSymbolicLink(folder.resolve("machine"), Path.of("/proc/self/root"));
        Files.createSymbolicLink(folder.resolve("dangling"), Path.of("nowhere"));
        Files.createSymbolicLink(folder.resolve("loop"), Path.of("loop"));

        try (RootFolder root = RootFolder.open(folder)) {
            for (String path :
                    new String[] {
                        "toFile",
                        "toFolder",
                        "toFolder/b/disk",
                        "a/up/disk",
                        "a/up",
                        "absolute",
                        "outsideFile",
                        "outsideFolder/disk",
                        "machine/etc/passwd",
                        "dangling",
                        "loop",
                        "loop/disk",
                    }) {
                assertAbsent(root, path);
            }
            for (String path : new String[] {"toFolder", "toFolder/b", "a/up", "outsideFolder"}) {
                assertThatExceptionOfType(NoSuchFileException.class)
                        .isThrownBy(() -> root.list(bytes(path)));
            }
        }
    }

    /// In `/proc/self`, `root`, `cwd`, `exe` and all in `fd` are links whose target is no path but
    /// the object itself. `/proc/self` is a symbolic link too, which a root may be.
    @ParameterizedTest
    @ValueSource(strings = {"root/etc/passwd", "cwd/pom.xml", "exe", "fd/0", "fd/1", "task/../exe"})
    void takesEveryMagicLinkForAbsent(String path) throws IOException {
        try (RootFolder root = RootFolder.open(Path.of("/proc/self"))) {
            assertAbsent(root, path);
            assertThat(read(root, "comm")).as("a plain file there").isNotEmpty();
        }
    }

    @Test
    void takesAFifoForAbsentWithoutWaitingForItsOtherEnd() throws IOException {
        ChildProcess.run("mkfifo", folder.resolve("fifo").toString());
        try (RootFolder root = RootFolder.open(folder)) {
            assertTimeoutPreemptively(
                    Duration.ofSeconds(20),
                    () -> {
                        assertAbsent(root, "fifo");
                        assertThatExceptionOfType(NoSuchFileException.class)
                                .isThrownBy(() -> root.list(bytes("fifo")));
                    });
        }
    }

    @Test
    void takesASocketForAbsent() throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                RootFolder root = RootFolder.open(folder)) {
            server.bind(UnixDomainSocketAddress.of(folder.resolve("socket")));

            assertAbsent(root, "socket");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "zero", "tty"})
    void takesADeviceForAbsent(String device) throws IOException {
        assertThat(Path.of("/dev", device)).exists();
        try (RootFolder root = RootFolder.open(Path.of("/dev"))) {
            assertAbsent(root, device);
        }
    }

    @Test
    void goesIntoFileSystemsThatAreMountedBeneathTheRoot() throws IOException {
        try (RootFolder root = RootFolder.open(Path.of("/"))) {
            assertThat(read(root, "proc/sys/kernel/ostype")).isEqualTo("Linux\n");
        }
    }

    /// Not even root may write to a `sysctl` that is read-only.
    @Test
    void reportsAFileThatMustNotBeWrittenAsDenied() throws IOException {
        try (RootFolder root = RootFolder.open(Path.of("/proc/sys/kernel"))) {
            assertThatExceptionOfType(AccessDeniedException.class)
                    .isThrownBy(() -> root.openFile(bytes("ostype"), true).close())
                    .withMessage("ostype");
        }
    }

    @Test
    void opensForWritingOnlyWhenAsked() throws IOException {
        try (RootFolder root = RootFolder.open(folder)) {
            try (PosixFile file = root.openFile(bytes("disk"), true)) {
                file.channel().write(ByteBuffer.wrap(bytes("TOP")), 0);
            }
            assertThat(folder.resolve("disk")).hasContent("TOP");
            try (PosixFile file = root.openFile(bytes("disk"), false)) {
                assertThatExceptionOfType(NonWritableChannelException.class)
                        .isThrownBy(() -> file.channel().write(ByteBuffer.allocate(1), 0));
            }
        }
    }

    @Test
    void staysTheSameFolderWhenItsNameIsGivenToAnother() throws IOException {
        try (RootFolder root = RootFolder.open(folder)) {
            Files.move(folder, temp.resolve("moved"));
            Files.createSymbolicLink(folder, temp.resolve("outside"));

            assertThat(read(root, "disk")).isEqualTo("top");
        }
    }

    @Test
    void resolvesARootThatIsASymbolicLinkOnce() throws IOException {
        Path link = Files.createSymbolicLink(temp.resolve("link"), folder);
        try (RootFolder root = RootFolder.open(link)) {
            Files.delete(link);
            Files.createSymbolicLink(link, temp.resolve("outside"));

            assertThat(read(root, "disk")).isEqualTo("top");
        }
    }

    @Test
    void refusesARootThatIsMissing() {
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> RootFolder.open(temp.resolve("missing")))
                .withMessage(temp.resolve("missing").toString());
    }

    @Test
    void refusesARootThatIsAFile() {
        assertThatExceptionOfType(NotDirectoryException.class)
                .isThrownBy(() -> RootFolder.open(folder.resolve("disk")))
                .withMessage(folder.resolve("disk").toString());
    }

    @Test
    void closedTwiceItRefusesEverything() throws IOException {
        RootFolder root = RootFolder.open(folder);
        root.close();
        root.close();

        assertThatThrownBy(() -> root.openFile(bytes("disk"), false))
                .isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> root.list(new byte[0])).isInstanceOf(ClosedChannelException.class);
    }

    private static void assertAbsent(RootFolder root, String path) {
        for (boolean writable : new boolean[] {false, true}) {
            assertThatExceptionOfType(NoSuchFileException.class)
                    .as(path)
                    .isThrownBy(() -> root.openFile(bytes(path), writable).close())
                    .withMessage(path);
        }
        assertThatExceptionOfType(NoSuchFileException.class)
                .as(path)
                .isThrownBy(() -> root.stat(bytes(path)))
                .withMessage(path);
    }

    private static String read(RootFolder root, String path) throws IOException {
        try (PosixFile file = root.openFile(bytes(path), false)) {
            return Contents.of(file);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
