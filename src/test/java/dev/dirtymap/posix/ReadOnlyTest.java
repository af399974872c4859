package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Folders and file systems that must not be changed.
class ReadOnlyTest {

    @TempDir Path folder;

    @BeforeEach
    void files() throws IOException {
        Files.createDirectories(folder.resolve("sub/deep"));
        Files.writeString(folder.resolve("sub/disk"), "content");
    }

    /// `r-x` must not be written, `-wx` not be synced.
    @Test
    void aFolderThatOthersOwnIsAccessDenied() throws IOException {
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
        for (String rights : List.of("r-xr-xr-x", "-wx-wx-wx")) {
            Files.setPosixFilePermissions(
                    folder.resolve("sub"), PosixFilePermissions.fromString(rights));

            assertThat(ChildProcess.runJava(Map.of(), Nobody.class, folder.toString()).lines())
                    .containsExactly(
                            "java.nio.file.AccessDeniedException: sub/new",
                            "java.nio.file.AccessDeniedException: sub/disk",
                            "java.nio.file.AccessDeniedException: sub/new",
                            "java.nio.file.AccessDeniedException: sub/disk",
                            "java.nio.file.AccessDeniedException: sub/made",
                            "fine");
        }
        assertThat(folder.resolve("sub/disk")).hasContent("content");
    }

    static final class Nobody {
        private Nobody() {}

        public static void main(String[] arguments) throws IOException {
            try (RootFolder root = RootFolder.open(Path.of(arguments[0]))) {
                Confinement.becomeNobody();
                tellAll(root);
            }
        }
    }

    @Test
    void aReadOnlyFileSystemIsNamedAsTheReason() {
        assertThat(Errno.failure("openat2", "disk", 30))
                .isInstanceOf(AccessDeniedException.class)
                .hasMessage("disk: the file system is read-only");
        if (PrivateMount.isPossible()) {
            String denied = "java.nio.file.AccessDeniedException: ";
            String reason = ": the file system is read-only";
            assertThat(
                            PrivateMount.runJava(
                                            "mount --bind \"$1\" \"$1\";"
                                                    + " mount -o remount,bind,ro \"$1\"",
                                            folder,
                                            Mounted.class)
                                    .lines())
                    .containsExactly(
                            denied + "sub/new" + reason,
                            denied + "sub/disk" + reason,
                            denied + "sub/new" + reason,
                            denied + "sub/disk" + reason,
                            denied + "sub/made" + reason,
                            "fine");
        }
    }

    static final class Mounted {
        private Mounted() {}

        public static void main(String[] arguments) throws IOException {
            try (RootFolder root = RootFolder.open(Path.of(arguments[0]))) {
                tellAll(root);
            }
        }
    }

    private static void tellAll(RootFolder root) {
        tell(() -> root.createFile(bytes("sub/new")).close());
        tell(() -> root.openFile(bytes("sub/disk"), true).close());
        tell(() -> root.replaceFile(bytes("sub/new"), new byte[1]));
        tell(() -> root.delete(bytes("sub/disk")));
        tell(() -> root.createFolders(bytes("sub/made")));
        tell(() -> root.createFolders(bytes("sub/deep")));
    }

    private interface Attempt {
        void run() throws IOException;
    }

    private static void tell(Attempt attempt) {
        try {
            attempt.run();
            System.out.println("fine");
        } catch (IOException failure) {
            System.out.println(failure);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
