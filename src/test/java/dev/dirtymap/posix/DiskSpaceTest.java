package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Room on the disk: reserved, given back, used up.
class DiskSpaceTest {

    private static final int MIB = 1 << 20;
    private static final byte[] DISK = "disk".getBytes(UTF_8);

    private static final String NO_SPACE =
            """
            dev.dirtymap.posix.ErrnoException: fallocate disk: ENOSPC .* noSpace=true
            java.io.IOException: .* noSpace=true
            """;

    @TempDir Path folder;
    private RootFolder root;

    @BeforeEach
    void open() throws IOException {
        Files.writeString(folder.resolve("disk"), "content");
        root = RootFolder.open(folder);
    }

    @AfterEach
    void close() {
        root.close();
    }

    @Test
    void reservingKeepsContentAndSize() throws IOException {
        try (PosixFile file = root.openFile(DISK, true)) {
            long before = file.stat().allocatedBytes();
            file.reserve(0, MIB);
            file.reserve(3, 0);

            assertThat(file.stat().size()).isEqualTo(7);
            assertThat(file.stat().allocatedBytes()).isBetween(MIB + 0L, MIB + 2 * before);
            assertThat(Contents.of(file)).isEqualTo("content");
        }
    }

    @Test
    void punchingGivesRoomBackAndKeepsTheSize() throws IOException {
        Files.write(folder.resolve("disk"), "x".repeat(MIB).getBytes(UTF_8));
        try (PosixFile file = root.openFile(DISK, true)) {
            file.channel().force(true);
            assertThat(file.stat().allocatedBytes()).isGreaterThanOrEqualTo(MIB);
            file.punch(4096, MIB - 8192);

            assertThat(file.stat().size()).isEqualTo(MIB);
            assertThat(file.stat().allocatedBytes()).isLessThan(MIB / 2);
        }
        assertThat(Files.readString(folder.resolve("disk")))
                .isEqualTo("x".repeat(4096) + "\0".repeat(MIB - 8192) + "x".repeat(4096));
    }

    @Test
    void holesAndDataAreFound() throws IOException {
        Files.write(folder.resolve("disk"), "x".repeat(MIB).getBytes(UTF_8));
        try (PosixFile file = root.openFile(DISK, true)) {
            file.channel().force(true);
            file.punch(65536, 65536);
            file.punch(MIB - 65536, 65536);

            assertThat(file.nextData(5)).isEqualTo(5);
            assertThat(file.nextHole(5)).isEqualTo(65536);
            assertThat(file.nextData(65537)).isEqualTo(131072);
            assertThat(file.nextHole(65537)).isEqualTo(Long.MAX_VALUE);
            assertThat(file.nextHole(131072)).isEqualTo(MIB - 65536);
            assertThat(file.nextData(MIB - 65536)).isEqualTo(-1);
            assertThat(file.nextData(MIB)).isEqualTo(-1);
            assertThat(file.nextData(Long.MAX_VALUE)).isEqualTo(-1);
        }
    }

    @Test
    void aFileForReadingIsRefused() throws IOException {
        try (PosixFile file = root.openFile(DISK, false)) {
            assertThatThrownBy(() -> file.reserve(0, 1))
                    .isInstanceOf(NonWritableChannelException.class);
            assertThatThrownBy(() -> file.punch(0, 1))
                    .isInstanceOf(NonWritableChannelException.class);
        }
        assertThat(folder.resolve("disk")).hasContent("content");
    }

    @Test
    void anImpossibleRangeIsRefused() throws IOException {
        try (PosixFile file = root.openFile(DISK, true)) {
            assertThatThrownBy(() -> file.reserve(-1, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.punch(1, -1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatExceptionOfType(ErrnoException.class)
                    .isThrownBy(() -> file.reserve(Long.MAX_VALUE - 1, 1))
                    .withMessageStartingWith("fallocate disk: EFBIG")
                    .matches(failure -> failure.errno() == 27 && failure.isNoSpace());
        }
    }

    @Test
    void aFileSystemThatCannotReserveIsTakenAtNoWord() {
        assertThat(onlyAnswering(Errno.EOPNOTSUPP)).isEqualTo("fine\nfine\n");
        assertThat(onlyAnswering(Errno.ENOSYS)).isEqualTo("fine\nfine\n");
        assertThat(onlyAnswering(Errno.EINVAL)).isEqualTo("fine\nfine\n");
        assertThat(onlyAnswering(Errno.EDQUOT).lines())
                .hasSize(2)
                .allMatch(line ->
                        line.matches(".*ErrnoException: fallocate disk: EDQUOT .* noSpace=true"));
        assertThat(onlyAnswering(Errno.EIO).lines())
                .hasSize(2)
                .allMatch(line ->
                        line.matches(".*ErrnoException: fallocate disk: EIO .* noSpace=false"));
    }

    private String onlyAnswering(Errno errno) {
        return ChildProcess.runJava(
                Map.of(), Answering.class, folder.toString(), String.valueOf(errno.number()));
    }

    static final class Answering {
        private Answering() {}

        public static void main(String[] arguments) throws IOException {
            try (RootFolder root = RootFolder.open(Path.of(arguments[0]));
                    PosixFile file = root.openFile(DISK, true)) {
                Confinement.refuse(SystemCall.FALLOCATE, Integer.parseInt(arguments[1]));
                tell(() -> file.reserve(0, 1));
                tell(() -> file.punch(0, 1));
            }
        }
    }

    /// On a disk of one MiB that only the child sees. Without the right to mount one, all but filling
    /// it up is done on the machine's shared memory.
    @Test
    void whatIsReservedCanBeWrittenWhenTheDiskIsFull() throws IOException {
        if (PrivateMount.isPossible()) {
            assertThat(
                            PrivateMount.runJava(
                                    "mount -t tmpfs -o size=1m none \"$1\"", folder, Filling.class))
                    .matches(NO_SPACE + ".*Exception: .* noSpace=true\nfine\n");
        } else {
            Path shared = Files.createTempDirectory(Path.of("/dev/shm"), "dirtymap");
            try {
                assertThat(ChildProcess.runJava(Map.of(), Filling.class, shared.toString()))
                        .matches(NO_SPACE);
            } finally {
                Files.delete(shared);
            }
        }
    }

    static final class Filling {
        private Filling() {}

        public static void main(String[] arguments) throws IOException {
            Path folder = Path.of(arguments[0]);
            long total = Files.getFileStore(folder).getTotalSpace();
            try (RootFolder root = RootFolder.open(folder);
                    NewFile disk = root.createFile(DISK);
                    NewFile filler = root.createFile("filler".getBytes(UTF_8))) {
                disk.file().reserve(0, MIB / 2);
                tell(() -> disk.file().reserve(0, 2 * total));
                tell(() -> Files.write(Path.of("/dev/full"), new byte[1]));
                if (total <= MIB) {
                    tell(() -> {
                        while (true) {
                            filler.file().channel().write(ByteBuffer.allocate(64 * 1024));
                        }
                    });
                    tell(() -> disk.file().channel().write(ByteBuffer.allocate(MIB / 2)));
                }
            }
        }
    }

    @Test
    void theReasonOfAFailureOfTheJdkIsKnownByItsText() {
        String text = Libc.strerror(Errno.ENOSPC.number());

        assertThat(ErrnoException.isNoSpace(new IOException(text))).isTrue();
        assertThat(ErrnoException.isNoSpace(new FileSystemException("disk", null, text))).isTrue();
        assertThat(ErrnoException.isNoSpace(new IOException("disk: " + text))).isFalse();
        assertThat(ErrnoException.isNoSpace(new IOException())).isFalse();
        assertThat(ErrnoException.isNoSpace(new NoSuchFileException(text))).isFalse();
    }

    private interface Attempt {
        void run() throws IOException;
    }

    private static void tell(Attempt attempt) {
        try {
            attempt.run();
            System.out.println("fine");
        } catch (IOException failure) {
            System.out.println(failure + " noSpace=" + ErrnoException.isNoSpace(failure));
        }
    }
}
