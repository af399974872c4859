package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the machine refuses: permissions, limits, and system calls that a container forbids.
class RefusalTest {

    private static final Map<String, String> ENGLISH = Map.of("LC_ALL", "C");

    @TempDir Path folder;

    @BeforeEach
    void files() throws IOException {
        Files.writeString(folder.resolve("disk"), "content");
    }

    /// Docker's filter says `EPERM` in old versions and `ENOSYS` in newer ones, as old kernels do.
    @Test
    void withoutOpenat2TheRootIsRefusedInOneClearSentence() {
        String sentence =
                "java.io.IOException: openat2 keeps every open beneath "
                        + folder
                        + " and must be allowed (Linux 5.6 or later, no seccomp filter against it)"
                        + " but was refused: ";

        assertThat(ChildProcess.runJava(ENGLISH, NoOpenat2.class, folder.toString(), "38"))
                .isEqualTo(sentence + "ENOSYS (Function not implemented)\n");
        assertThat(ChildProcess.runJava(ENGLISH, NoOpenat2.class, folder.toString(), "1"))
                .isEqualTo(sentence + "EPERM (Operation not permitted)\n");
    }

    static final class NoOpenat2 {
        private NoOpenat2() {}

        public static void main(String[] arguments) {
            Confinement.refuse(SystemCall.OPENAT2, Integer.parseInt(arguments[1]));
            tell(() -> RootFolder.open(Path.of(arguments[0])).close());
        }
    }

    @Test
    void anOpenThatIsToBeTriedAgainIsNotTriedForever() {
        assertThat(ChildProcess.runJava(ENGLISH, Later.class, folder.toString()))
                .isEqualTo(
                        "dev.dirtymap.posix.ErrnoException: openat2 disk: EAGAIN (Resource"
                                + " temporarily unavailable) errno=11\n");
    }

    static final class Later {
        private Later() {}

        public static void main(String[] arguments) throws IOException {
            try (RootFolder root = RootFolder.open(Path.of(arguments[0]))) {
                Confinement.refuse(SystemCall.OPENAT2, Errno.EAGAIN.number());
                tell(() -> root.openFile(bytes("disk"), false).close());
            }
        }
    }

    @Test
    void aFileSystemWithoutLocksIsNoMereConflict() {
        assertThat(ChildProcess.runJava(ENGLISH, NoLocks.class, folder.toString()).lines())
                .hasSize(3)
                .allMatch(line ->
                        line.matches(
                                "dev.dirtymap.posix.ErrnoException:"
                                        + " fcntl\\(F_OFD_[SG]ETLK\\) disk:"
                                        + " ENOLCK \\(No locks available\\) errno=37"));
    }

    static final class NoLocks {
        private NoLocks() {}

        public static void main(String[] arguments) throws IOException {
            try (RootFolder root = RootFolder.open(Path.of(arguments[0]));
                    PosixFile file = root.openFile(bytes("disk"), true)) {
                Confinement.refuse(Confinement.fcntl(), Errno.ENOLCK.number());
                tell(() -> file.tryLockExclusive(100));
                tell(() -> file.isLockedByOthers(100));
                tell(() -> file.unlock(100, 1));
            }
        }
    }

    @Test
    void permissionsAreReportedAsSuch() throws IOException {
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
        permit("disk", "---------");
        Files.writeString(folder.resolve("readOnly"), "");
        permit("readOnly", "r--r--r--");
        Files.createDirectories(folder.resolve("closed/sub"));
        Files.writeString(folder.resolve("closed/disk"), "");
        permit("closed", "---------");
        Files.createSymbolicLink(folder.resolve("linkToClosed"), Path.of("closed"));
        try {
            assertThat(ChildProcess.runJava(ENGLISH, Nobody.class, folder.toString()).lines())
                    .containsExactly(
                            "java.nio.file.AccessDeniedException: disk",
                            "fine",
                            "java.nio.file.AccessDeniedException: readOnly",
                            "java.nio.file.AccessDeniedException: closed/disk",
                            "java.nio.file.AccessDeniedException: closed",
                            "java.nio.file.AccessDeniedException: closed/sub",
                            "java.nio.file.NoSuchFileException: linkToClosed/disk",
                            "java.nio.file.AccessDeniedException: " + folder.resolve("closed/sub"));
        } finally {
            permit("closed", "rwxr-xr-x");
        }
    }

    static final class Nobody {
        private Nobody() {}

        public static void main(String[] arguments) throws IOException {
            Path folder = Path.of(arguments[0]);
            try (RootFolder root = RootFolder.open(folder)) {
                List<Attempt> attempts =
                        List.of(
                                () -> root.openFile(bytes("disk"), false).close(),
                                () -> root.openFile(bytes("readOnly"), false).close(),
                                () -> root.openFile(bytes("readOnly"), true).close(),
                                () -> root.openFile(bytes("closed/disk"), false).close(),
                                () -> root.list(bytes("closed")),
                                () -> root.list(bytes("closed/sub")),
                                () -> root.openFile(bytes("linkToClosed/disk"), false).close(),
                                () -> RootFolder.open(folder.resolve("closed/sub")).close());
                Confinement.becomeNobody();
                attempts.forEach(RefusalTest::tell);
            }
        }
    }

    @Test
    void theLimitOfOpenFilesIsNamed() {
        List<String> command =
                new ArrayList<>(List.of("bash", "-c", "ulimit -n 100; exec \"$@\"", ""));
        command.addAll(ChildProcess.javaCommand(Hoarder.class, folder.toString()));

        assertThat(ChildProcess.run(command.toArray(String[]::new)))
                .startsWith("dev.dirtymap.posix.ErrnoException: openat2 disk: EMFILE (")
                .endsWith(") errno=24\n");
    }

    static final class Hoarder {
        private Hoarder() {}

        public static void main(String[] arguments) throws IOException {
            List<PosixFile> hoard = new ArrayList<>();
            try (RootFolder root = RootFolder.open(Path.of(arguments[0]))) {
                tell(() -> {
                    while (true) {
                        hoard.add(root.openFile(bytes("disk"), false));
                    }
                });
            } finally {
                hoard.forEach(PosixFile::close);
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }

    private interface Attempt {
        void run() throws IOException;
    }

    /// Prints the answer. Once before, for a failure that is made up: a class that had to be loaded
    /// for the real one could not be opened any more than the file.
    private static void tell(Attempt attempt) {
        describe(new ErrnoException("warm-up", "", 1));
        try {
            attempt.run();
            System.out.println("fine");
        } catch (IOException failure) {
            System.out.println(describe(failure));
        }
    }

    private static String describe(IOException failure) {
        return failure instanceof ErrnoException errno
                ? failure + " errno=" + errno.errno()
                : failure.toString();
    }

    private void permit(String name, String permissions) throws IOException {
        Files.setPosixFilePermissions(
                folder.resolve(name), PosixFilePermissions.fromString(permissions));
    }
}
