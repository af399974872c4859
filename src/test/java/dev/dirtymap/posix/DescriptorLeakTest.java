package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DescriptorLeakTest {

    private static final String[] PATHS = {
        "disk", "a/disk", "a", "fifo", "link", "link/disk", "missing", "../x", "disk/x", "", "a//b"
    };

    @TempDir Path temp;

    @Test
    void aThousandSuccessesAndFailuresLeaveNothingOpen() throws IOException {
        Path folder = temp.toRealPath();
        Files.createDirectory(folder.resolve("a"));
        Files.writeString(folder.resolve("disk"), "");
        Files.writeString(folder.resolve("a/disk"), "");
        Files.createSymbolicLink(folder.resolve("link"), Path.of("a"));
        ChildProcess.run("mkfifo", folder.resolve("fifo").toString());
        int opened = 0;
        int failed = 0;

        try (RootFolder root = RootFolder.open(folder)) {
            assertThat(openBeneath(folder)).as("the root itself").containsExactly(folder);
            for (int i = 0; i < 1000; i++) {
                byte[] path = PATHS[i % PATHS.length].getBytes(UTF_8);
                try (PosixFile file = root.openFile(path, i % 2 == 0)) {
                    file.channel();
                    file.tryLockShared(100);
                    opened++;
                } catch (NoSuchFileException refused) {
                    failed++;
                }
                try {
                    root.list(path);
                    opened++;
                } catch (NoSuchFileException refused) {
                    failed++;
                }
                try (NewFile made = root.createFile(path)) {
                    opened++;
                    if (i % 3 == 0) {
                        made.publish();
                        root.delete(path);
                    }
                } catch (NoSuchFileException | FileAlreadyExistsException refused) {
                    failed++;
                }
                if (i % 100 == 0) {
                    root.createFolders("a/x/y".getBytes(UTF_8));
                    root.replaceFile("a/x/new".getBytes(UTF_8), new byte[1]);
                    Files.delete(folder.resolve("a/x/y"));
                    assertThat(catchThrowable(() -> root.createFolders("disk/x".getBytes(UTF_8))))
                            .isInstanceOf(IOException.class);
                    assertThat(catchThrowable(() -> root.replaceFile("a".getBytes(UTF_8), path)))
                            .isInstanceOf(IOException.class);
                    assertThatRefusesMissingRoot(folder);
                }
            }

            assertThat(openBeneath(folder)).containsExactly(folder);
        }
        assertThat(openBeneath(folder)).isEmpty();
        assertThat(opened).isGreaterThan(300);
        assertThat(failed).isGreaterThan(300);
    }

    private static void assertThatRefusesMissingRoot(Path folder) {
        for (String name : new String[] {"missing", "disk"}) {
            assertThat(catchThrowable(() -> RootFolder.open(folder.resolve(name)).close()))
                    .isInstanceOf(IOException.class);
        }
    }

    /// What this process holds open there, whoever opened it, with or without `O_PATH`.
    private static List<Path> openBeneath(Path folder) throws IOException {
        List<Path> open = new ArrayList<>();
        try (DirectoryStream<Path> links = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path link : links) {
                target(link).filter(target -> target.startsWith(folder)).ifPresent(open::add);
            }
        }
        return open;
    }

    private static Optional<Path> target(Path link) throws IOException {
        try {
            return Optional.of(Files.readSymbolicLink(link));
        } catch (NoSuchFileException closedMeanwhile) {
            return Optional.empty();
        }
    }
}
