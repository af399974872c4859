package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Folders that are made, files that are replaced and deleted.
class FolderChangesTest {

    @TempDir Path temp;
    private Path folder;
    private Path outside;
    private RootFolder root;

    @BeforeEach
    void open() throws IOException {
        folder = Files.createDirectory(temp.resolve("root"));
        outside = Files.createDirectory(temp.resolve("outside"));
        Files.writeString(folder.resolve("disk"), "old");
        Files.createSymbolicLink(folder.resolve("toOutside"), outside);
        Files.createSymbolicLink(folder.resolve("deadLink"), temp.resolve("outside/new"));
        Files.createSymbolicLink(folder.resolve("toDisk"), Path.of("disk"));
        root = RootFolder.open(folder);
    }

    @AfterEach
    void close() throws IOException {
        root.close();
        assertThat(outside).isEmptyDirectory();
    }

    @Test
    void makesWhatIsMissingOfAFolder() throws IOException {
        root.createFolders(bytes("a/b"));
        root.createFolders(bytes("a/b"));
        root.createFolders(bytes("a/b/c/d"));
        root.createFolders("a/\u00ff".getBytes(ISO_8859_1));
        root.createFolders(new byte[0]);
        ChildProcess.run("mkdir", folder.resolve("made").toString());

        assertThat(folder.resolve("a/b/c/d")).isEmptyDirectory();
        assertThat(root.list("a/\u00ff".getBytes(ISO_8859_1))).isEmpty();
        assertThat(Files.getPosixFilePermissions(folder.resolve("a")))
                .isEqualTo(Files.getPosixFilePermissions(folder.resolve("made")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"disk", "disk/a", "disk/a/b"})
    void makesNoFolderOfAFile(String path) {
        assertThatExceptionOfType(NotDirectoryException.class)
                .isThrownBy(() -> root.createFolders(bytes(path)))
                .withMessage("disk");
        assertThat(folder.resolve("disk")).hasContent("old");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "toOutside",
                "toOutside/a",
                "deadLink",
                "deadLink/a",
                "toDisk",
                "/a",
                "a/",
                "a//b",
                "..",
                "../outside/a",
                "a/../b",
                "./a",
                "a\0b",
            })
    void makesNoFolderThroughALinkOrAnImproperPath(String path) {
        assertThatThrownBy(() -> root.createFolders(bytes(path)))
                .isInstanceOf(NoSuchFileException.class);
        assertThat(folder.resolve("a")).doesNotExist();
    }

    @Test
    void manyMayMakeTheSameFolders() throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> made = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                byte[] path = bytes("a/" + i / 8 + "/b/c");
                made.add(
                        threads.submit(() -> {
                            root.createFolders(path);
                            return path;
                        }));
            }
            for (Future<?> one : made) {
                one.get();
            }
        }
        assertThat(root.list(bytes("a"))).hasSize(25);
    }

    @Test
    void deletesAFileForWhoeverDoesNotHaveItOpen() throws IOException {
        try (PosixFile file = root.openFile(bytes("disk"), false)) {
            root.delete(bytes("disk"));

            assertThat(folder.resolve("disk")).doesNotExist();
            assertThat(Contents.of(file)).isEqualTo("old");
        }
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> root.delete(bytes("disk")))
                .withMessage("disk");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"toDisk", "toOutside", "deadLink", "a", "fifo", "missing", "toOutside/x"})
    void deletesNothingButFiles(String path) throws IOException {
        Files.createDirectory(folder.resolve("a"));
        ChildProcess.run("mkfifo", folder.resolve("fifo").toString());

        assertThatThrownBy(() -> root.delete(bytes(path))).isInstanceOf(NoSuchFileException.class);
        assertThat(root.list(new byte[0])).hasSize(2);
        assertThat(folder.resolve("toDisk")).isSymbolicLink();
        assertThat(folder.resolve("fifo")).exists();
    }

    @Test
    void replacesAFileAndMakesOne() throws IOException {
        Files.createDirectory(folder.resolve("a"));
        root.replaceFile(bytes("disk"), bytes("new"));
        root.replaceFile(bytes("a/disk"), bytes("first"));
        root.replaceFile(bytes("a/empty"), new byte[0]);

        assertThat(folder.resolve("disk")).hasContent("new");
        assertThat(folder.resolve("a/disk")).hasContent("first");
        assertThat(folder.resolve("a/empty")).isEmptyFile();
        assertThat(root.list(new byte[0])).hasSize(2);
        assertThat(root.list(bytes("a"))).hasSize(2);
    }

    @Test
    void replacesALinkItself() throws IOException {
        root.replaceFile(bytes("deadLink"), bytes("new"));
        root.replaceFile(bytes("toDisk"), bytes("new"));

        assertThat(folder.resolve("deadLink")).isRegularFile().hasContent("new");
        assertThat(folder.resolve("disk")).hasContent("old");
    }

    @Test
    void replacesNoFolderAndLeavesNothingOfTheAttempt() throws IOException {
        Files.createDirectory(folder.resolve("a"));

        assertThatExceptionOfType(ErrnoException.class)
                .isThrownBy(() -> root.replaceFile(bytes("a"), bytes("new")))
                .withMessageStartingWith("renameat2 a: EISDIR");
        assertThat(root.list(new byte[0])).hasSize(2);
        assertThat(folder.resolve("a")).isEmptyDirectory();
    }

    @Test
    void whoeverReadsWhileAFileIsReplacedSeesItWhole() throws Exception {
        String one = "1".repeat(1000);
        String other = "2".repeat(2000);
        root.replaceFile(bytes("disk"), bytes(one));
        AtomicBoolean stop = new AtomicBoolean();
        try (ExecutorService threads = Executors.newFixedThreadPool(1)) {
            Future<?> reading =
                    threads.submit(() -> {
                        int reads = 0;
                        while (!stop.get() || reads == 0) {
                            try (PosixFile file = root.openFile(bytes("disk"), false)) {
                                assertThat(Contents.of(file)).isIn(one, other);
                                reads++;
                            }
                        }
                        return reads;
                    });
            for (int i = 0; i < 100; i++) {
                root.replaceFile(bytes("disk"), bytes(i % 2 == 0 ? other : one));
            }
            stop.set(true);
            reading.get();
        }
    }

    @Test
    void closedItChangesNothing() {
        root.close();
        assertThatThrownBy(() -> root.createFile(bytes("x")).close())
                .isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> root.replaceFile(bytes("x"), new byte[1]))
                .isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> root.delete(bytes("disk")))
                .isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> root.createFolders(bytes("x")))
                .isInstanceOf(ClosedChannelException.class);
        assertThat(folder.resolve("disk")).exists();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
