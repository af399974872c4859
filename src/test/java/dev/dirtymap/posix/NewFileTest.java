package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class NewFileTest {

    private static final int THREADS = 16;

    @TempDir Path temp;
    private Path folder;
    private RootFolder root;

    /// What the file system offers, and the way for one that does not offer it.
    enum Way {
        UNNAMED,
        NAMED;

        /// In the folder `a`.
        NewFile create(RootFolder root, String name) throws IOException {
            return switch (this) {
                case UNNAMED -> root.createFile(("a/" + name).getBytes(UTF_8));
                case NAMED -> NewFile.named(root.openParent(bytes("a/x"), name), bytes(name), name);
            };
        }
    }

    @BeforeEach
    void open() throws IOException {
        folder = Files.createDirectories(temp.resolve("root/a"));
        Files.createDirectory(temp.resolve("outside"));
        root = RootFolder.open(temp.resolve("root"));
    }

    @AfterEach
    void close() {
        root.close();
    }

    @ParameterizedTest
    @EnumSource
    void isWholeUnderItsNameAfterPublishing(Way way) throws IOException {
        try (NewFile made = way.create(root, "disk")) {
            write(made, "content");
            made.publish();

            assertThat(folder.resolve("disk")).hasContent("content");
            assertThat(made.file().stat().size()).isEqualTo(7);
        }
        assertThat(folder.resolve("disk")).hasContent("content");
        assertThat(names()).containsExactly("disk");
    }

    @Test
    void hasNoNameBeforePublishing() throws IOException {
        try (NewFile made = root.createFile(bytes("a/disk"))) {
            write(made, "content");

            assertThat(names()).isEmpty();
            assertThat(made.file().tryLockExclusive(100)).isTrue();
            made.publish();
            try (PosixFile other = root.openFile(bytes("a/disk"), false)) {
                assertThat(other.isLockedByOthers(100)).isTrue();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void closedWithoutPublishingItLeavesNothing(Way way) throws IOException {
        NewFile made = way.create(root, "disk");
        write(made, "content");
        made.close();
        made.close();

        assertThat(names()).isEmpty();
        assertThatThrownBy(made::publish).isInstanceOf(ClosedChannelException.class);
        assertThat(names()).isEmpty();
    }

    /// The name is somebody else's by then.
    @Test
    void closingRemovesOnlyItsOwnFile() throws IOException {
        NewFile made = Way.NAMED.create(root, "disk");
        Files.delete(folder.resolve("disk"));
        Files.writeString(folder.resolve("disk"), "other");
        made.close();

        assertThat(folder.resolve("disk")).hasContent("other");
    }

    @ParameterizedTest
    @ValueSource(strings = {"file", "folder", "link", "deadLink"})
    void neverReplacesWhatIsThereFromTheStart(String name) throws IOException {
        existing();
        for (Way way : Way.values()) {
            assertThatThrownBy(() -> way.create(root, name).close())
                    .isInstanceOf(FileAlreadyExistsException.class);
        }
        assertThat(folder.resolve("file")).hasContent("old");
        assertThat(names()).containsExactly("deadLink", "file", "folder", "link");
        assertThat(temp.resolve("outside")).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"file", "folder", "link", "deadLink"})
    void neverReplacesWhatCameMeanwhile(String name) throws IOException {
        try (NewFile made = root.createFile(bytes("a/" + name))) {
            write(made, "content");
            existing();

            assertThatExceptionOfType(FileAlreadyExistsException.class)
                    .isThrownBy(made::publish)
                    .withMessage("a/" + name);
        }
        assertThat(folder.resolve("file")).hasContent("old");
        assertThat(names()).containsExactly("deadLink", "file", "folder", "link");
        assertThat(temp.resolve("outside")).isEmptyDirectory();
    }

    @ParameterizedTest
    @EnumSource
    void ofManyThatPublishOneNameExactlyOneWins(Way way) throws Exception {
        for (int round = 0; round < 20; round++) {
            String name = "disk" + round;
            CyclicBarrier start = new CyclicBarrier(THREADS);
            List<String> winners = new ArrayList<>();
            try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
                List<Future<Boolean>> published = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    String content = "by " + i;
                    published.add(threads.submit(() -> published(way, name, content, start)));
                }
                for (int i = 0; i < THREADS; i++) {
                    if (published.get(i).get()) {
                        winners.add("by " + i);
                    }
                }
            }
            assertThat(winners).hasSize(1);
            assertThat(folder.resolve(name)).hasContent(winners.getFirst());
        }
        assertThat(names()).hasSize(20);
    }

    private boolean published(Way way, String name, String content, CyclicBarrier start)
            throws Exception {
        start.await();
        try (NewFile made = way.create(root, name)) {
            write(made, content);
            made.publish();
            return true;
        } catch (FileAlreadyExistsException lost) {
            return false;
        }
    }

    @Test
    void isPublishedOnce() throws IOException {
        try (NewFile made = root.createFile(bytes("a/disk"))) {
            made.publish();

            assertThatThrownBy(made::publish)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("a/disk must be published once but was already");
        }
        assertThat(names()).containsExactly("disk");
    }

    /// An interrupt closes the channel of whoever waits for the disk.
    @ParameterizedTest
    @EnumSource
    void interruptedItIsNotPublished(Way way) throws IOException {
        try (NewFile made = way.create(root, "disk")) {
            write(made, "content");
            Thread.currentThread().interrupt();

            assertThatThrownBy(made::publish).isInstanceOf(ClosedChannelException.class);
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(names()).isEmpty();
    }

    @Test
    void hasTheRightsThatTouchGives() throws IOException {
        ChildProcess.run("touch", folder.resolve("touched").toString());
        for (Way way : Way.values()) {
            try (NewFile made = way.create(root, way.name())) {
                made.publish();
            }
            assertThat(Files.getPosixFilePermissions(folder.resolve(way.name())))
                    .isEqualTo(Files.getPosixFilePermissions(folder.resolve("touched")));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "/",
                ".",
                "..",
                "a/.",
                "a/..",
                "../outside/disk",
                "a/../disk",
                "/disk",
                "a//disk",
                "disk/",
                "a/disk/",
                "a/./disk",
                "disk\0",
                "missing/disk",
                "toOutside/disk",
                "plain/disk",
                "a/../../outside/disk"
            })
    void thereIsNoSuchPlace(String path) throws IOException {
        Files.createSymbolicLink(temp.resolve("root/toOutside"), temp.resolve("outside"));
        Files.writeString(temp.resolve("root/plain"), "");

        assertThatThrownBy(() -> root.createFile(bytes(path)).close())
                .isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> root.replaceFile(bytes(path), new byte[1]))
                .isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> root.delete(bytes(path))).isInstanceOf(NoSuchFileException.class);
        assertThat(temp.resolve("outside")).isEmptyDirectory();
        assertThat(names()).isEmpty();
    }

    @Test
    void aNameMayHaveAnyBytesUpTo255() throws IOException {
        byte[] broken = "a/\u00ff\u0001 \u00e9".getBytes(ISO_8859_1);
        byte[] longest = bytes("a/" + "n".repeat(255));
        for (byte[] path : List.of(broken, longest)) {
            try (NewFile made = root.createFile(path)) {
                write(made, "content");
                made.publish();
            }
            try (PosixFile file = root.openFile(path, false)) {
                assertThat(Contents.of(file)).isEqualTo("content");
            }
            root.replaceFile(path, bytes("more"));
            try (PosixFile file = root.openFile(path, false)) {
                assertThat(Contents.of(file)).isEqualTo("more");
            }
            root.delete(path);
        }
        assertThat(names()).isEmpty();
        assertThatThrownBy(() -> root.createFile(bytes("a/" + "n".repeat(256))).close())
                .isInstanceOf(NoSuchFileException.class);
    }

    /// The folder that was opened is written to, and not what has its name by now.
    @ParameterizedTest
    @EnumSource
    void aParentSwappedForALinkLeadsNowhere(Way way) throws IOException {
        try (NewFile made = way.create(root, "disk")) {
            write(made, "content");
            Files.move(folder, temp.resolve("root/moved"));
            Files.createSymbolicLink(folder, temp.resolve("outside"));
            made.publish();
        }
        assertThat(temp.resolve("root/moved/disk")).hasContent("content");
        assertThat(temp.resolve("outside")).isEmptyDirectory();
    }

    @ParameterizedTest
    @EnumSource
    void aParentThatIsGoneIsNoSuchFile(Way way) throws IOException {
        try (NewFile made = way.create(root, "disk")) {
            Files.deleteIfExists(folder.resolve("disk"));
            Files.delete(folder);
            if (way == Way.UNNAMED) {
                assertThatThrownBy(made::publish).isInstanceOf(NoSuchFileException.class);
            }
        }
        assertThatThrownBy(() -> root.createFile(bytes("a/disk")).close())
                .isInstanceOf(NoSuchFileException.class);
    }

    private void existing() throws IOException {
        Files.writeString(folder.resolve("file"), "old");
        Files.createDirectory(folder.resolve("folder"));
        Files.createSymbolicLink(folder.resolve("link"), Path.of("file"));
        Files.createSymbolicLink(folder.resolve("deadLink"), temp.resolve("outside/new"));
    }

    private static void write(NewFile made, String content) throws IOException {
        made.file().channel().write(ByteBuffer.wrap(bytes(content)));
    }

    private List<String> names() throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            entries.forEach(entry -> names.add(String.valueOf(entry.getFileName())));
        }
        names.sort(null);
        return names;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
