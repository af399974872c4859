package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FolderListingTest {

    @TempDir Path folder;

    @Test
    void listsRegularFilesAndFoldersOnly() throws IOException {
        Files.writeString(folder.resolve("disk"), "");
        Files.writeString(folder.resolve(".hidden"), "");
        Files.createDirectory(folder.resolve("a"));
        Files.createSymbolicLink(folder.resolve("toFile"), Path.of("disk"));
        Files.createSymbolicLink(folder.resolve("toFolder"), Path.of("a"));
        ChildProcess.run("mkfifo", folder.resolve("fifo").toString());
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                RootFolder root = RootFolder.open(folder)) {
            server.bind(UnixDomainSocketAddress.of(folder.resolve("socket")));

            assertThat(root.list(new byte[0]))
                    .extracting(FolderEntry::toString)
                    .containsExactlyInAnyOrder("disk", ".hidden", "a/");
        }
    }

    @Test
    void listsNoDevice() throws IOException {
        try (RootFolder root = RootFolder.open(Path.of("/dev"))) {
            assertThat(root.list(new byte[0]))
                    .extracting(FolderEntry::toString)
                    .contains("pts/")
                    .doesNotContain("null", "zero", "tty");
        }
    }

    @Test
    void listsASubFolder() throws IOException {
        Files.createDirectories(folder.resolve("a/b/c"));
        Files.writeString(folder.resolve("a/b/disk"), "");
        try (RootFolder root = RootFolder.open(folder)) {
            assertThat(root.list(bytes("a/b")))
                    .extracting(FolderEntry::toString)
                    .containsExactlyInAnyOrder("c/", "disk");
            assertThat(root.list(bytes("a/b/c"))).isEmpty();
        }
    }

    /// More than one buffer of the kernel's answer.
    @Test
    void listsThousandsOfFilesEachOnce() throws IOException {
        List<String> names = IntStream.range(0, 5000).mapToObj(i -> "disk-" + i).toList();
        for (String name : names) {
            Files.createFile(folder.resolve(name));
        }
        try (RootFolder root = RootFolder.open(folder)) {
            assertThat(root.list(new byte[0]))
                    .extracting(FolderEntry::toString)
                    .containsExactlyInAnyOrderElementsOf(names);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", ".", "..", "missing", "file", "a/", "/a", "a/..", "a//b", "a\0"})
    void takesWhatIsNoFolderBeneathTheRootForAbsent(String path) throws IOException {
        Files.createDirectories(folder.resolve("a/b"));
        Files.writeString(folder.resolve("file"), "");
        try (RootFolder root = RootFolder.open(folder)) {
            assertThatExceptionOfType(NoSuchFileException.class)
                    .isThrownBy(() -> root.list(bytes(path)))
                    .withMessage(path);
        }
    }

    @Test
    void reportsARootThatWasRemovedAsAbsent() throws IOException {
        Path doomed = Files.createDirectory(folder.resolve("doomed"));
        try (RootFolder root = RootFolder.open(doomed)) {
            Files.delete(doomed);

            assertThatExceptionOfType(NoSuchFileException.class)
                    .isThrownBy(() -> root.list(new byte[0]));
        }
    }

    /// `61ff62` is not UTF-8 (the byte FF never is), `610a62` has a newline.
    @ParameterizedTest
    @ValueSource(strings = {"61ff62", "610a62", "c3a9", "20", "2d72", "5c", "c3"})
    void listsAndOpensNamesOfAnyBytes(String hex) throws IOException {
        String escapes = hex.replaceAll("..", "\\\\x$0");
        ChildProcess.run(
                "bash",
                "-c",
                "cd \"$1\" && printf content > \"./$(printf \"$2\")\"",
                "bash",
                folder.toString(),
                escapes);
        try (RootFolder root = RootFolder.open(folder)) {
            List<FolderEntry> entries = root.list(new byte[0]);

            assertThat(entries).hasSize(1);
            assertThat(entries.getFirst().name()).isEqualTo(HexFormat.of().parseHex(hex));
            try (PosixFile file = root.openFile(entries.getFirst().name(), true)) {
                assertThat(Contents.of(file)).isEqualTo("content");
            }
        }
    }

    /// A path of 4095 bytes is as long as the kernel takes. It is built of two halves, because an
    /// absolute path to its end would be too long for the JDK, here and when the test cleans up.
    @Test
    void takesTheLongestPathAndRefusesALongerOne() throws IOException {
        String part = "p".repeat(255);
        String upper = (part + "/").repeat(8);
        String lower = (part + "/").repeat(6);
        Path parent = Files.createDirectories(folder.resolve(upper));
        Path branch = folder.resolve("branch");
        Files.createDirectories(branch.resolve(lower));
        Files.writeString(branch.resolve(lower).resolve(part), "deep");
        byte[] longest = bytes(upper + part + "/" + lower + part);
        assertThat(longest).hasSize(4095);
        Files.move(branch, parent.resolve(part));
        try (RootFolder root = RootFolder.open(folder)) {
            try (PosixFile file = root.openFile(longest, true)) {
                assertThat(Contents.of(file)).isEqualTo("deep");
            }
            assertThat(root.list(bytes(upper + part + "/" + (part + "/").repeat(5) + part)))
                    .extracting(FolderEntry::toString)
                    .containsExactly(part);
            for (byte[] tooLong :
                    new byte[][] {
                        bytes(part + "p"), bytes(upper + part + "/" + lower + part + "/p")
                    }) {
                assertThatExceptionOfType(NoSuchFileException.class)
                        .isThrownBy(() -> root.openFile(tooLong, false));
                assertThatExceptionOfType(NoSuchFileException.class)
                        .isThrownBy(() -> root.list(tooLong));
            }
        } finally {
            Files.move(parent.resolve(part), branch);
        }
    }

    /// What a file system without types in its folders lets the reader do.
    @Test
    void looksAtAFileWhoseTypeTheFolderDoesNotTell() throws IOException {
        Files.writeString(folder.resolve("disk"), "");
        Files.createDirectory(folder.resolve("a"));
        Files.createSymbolicLink(folder.resolve("toFile"), Path.of("disk"));
        Files.createSymbolicLink(folder.resolve("toFolder"), Path.of("a"));
        int number =
                Libc.openat2(Libc.WORKING_FOLDER, bytes(folder.toString()), Libc.O_DIRECTORY, 0, 0);
        try (Descriptor descriptor = Descriptor.opened(number, "folder")) {
            assertThat(unknown(descriptor, "disk")).containsExactly("disk");
            assertThat(unknown(descriptor, "a")).containsExactly("a/");
            assertThat(unknown(descriptor, "toFile")).isEmpty();
            assertThat(unknown(descriptor, "toFolder")).isEmpty();
            assertThat(unknown(descriptor, "vanished")).isEmpty();
            assertThat(unknown(descriptor, ".")).isEmpty();
            assertThat(unknown(descriptor, "..")).isEmpty();
        }
    }

    @Test
    void anEntryGivesItsNameAsACopy() {
        FolderEntry entry = new FolderEntry(bytes("disk"), false);
        entry.name()[0] = 'X';

        assertThat(entry.name()).isEqualTo(bytes("disk"));
    }

    private static List<String> unknown(Descriptor folder, String name) throws IOException {
        return folder.with(number ->
                FolderReader.entry(number, bytes(name), FolderReader.DT_UNKNOWN, "").stream()
                        .map(FolderEntry::toString)
                        .toList());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
