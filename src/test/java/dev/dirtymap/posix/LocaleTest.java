package dev.dirtymap.posix;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Under `LC_ALL=C`, as in most containers, the JDK cannot name a file `é`; this package can.
class LocaleTest {

    @TempDir Path folder;

    /// The root's own name is not even UTF-8.
    @Test
    void listsAndOpensAnyNameUnderTheLocaleC() {
        ChildProcess.run(
                "bash",
                "-c",
                """
                root="$1/$(printf 'r\\xff')"
                mkdir "$root"
                printf accent > "$root/$(printf '\\xc3\\xa9')"
                printf broken > "$root/$(printf 'a\\xff')"
                """,
                "bash",
                folder.toString());

        String output =
                ChildProcess.runJava(Map.of("LC_ALL", "C"), ListAndOpen.class, folder.toString());

        assertThat(output.lines())
                .containsExactlyInAnyOrder(
                        "Path.of is no help",
                        "c3a9 accent",
                        "61ff broken",
                        "java.nio.file.NoSuchFileException");
    }

    /// Lists and opens all in the only folder in the given one.
    static final class ListAndOpen {

        private ListAndOpen() {}

        public static void main(String[] arguments) throws IOException {
            try {
                System.out.println(Path.of("é"));
            } catch (InvalidPathException expected) {
                System.out.println("Path.of is no help");
            }
            try (DirectoryStream<Path> folders = Files.newDirectoryStream(Path.of(arguments[0]));
                    RootFolder root = RootFolder.open(folders.iterator().next())) {
                for (FolderEntry entry : root.list(new byte[0])) {
                    try (PosixFile file = root.openFile(entry.name(), true)) {
                        String hex = HexFormat.of().formatHex(entry.name());
                        System.out.println(hex + " " + Contents.of(file));
                    }
                }
                byte[] missing = {(byte) 0xc3, (byte) 0xa8};
                root.openFile(missing, false).close();
            } catch (IOException absent) {
                System.out.println(absent.getClass().getName());
            }
        }
    }
}
