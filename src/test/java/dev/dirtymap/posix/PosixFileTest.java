package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PosixFileTest {

    @TempDir Path folder;
    private RootFolder root;

    @BeforeEach
    void open() throws IOException {
        root = RootFolder.open(folder);
    }

    @AfterEach
    void close() {
        root.close();
    }

    /// A hole, an ordinary time with nanoseconds, and one before 1970.
    @ParameterizedTest
    @ValueSource(strings = {"2024-02-29 12:34:56.789012345 UTC", "1969-12-31 23:59:57.25 UTC"})
    void statIsWhatTheProgramStatPrints(String modified) throws IOException {
        Path path = folder.resolve("disk");
        ChildProcess.run("truncate", "-s", "1M", path.toString());
        ChildProcess.run("dd", "if=/dev/zero", "of=" + path, "bs=4k", "count=3", "conv=notrunc");
        ChildProcess.run("touch", "-d", modified, path.toString());

        String[] printed =
                ChildProcess.run("stat", "-c", "%d %i %s %b %B %.9Y %.9Z %.9W", path.toString())
                        .strip()
                        .split(" ", -1);

        FileStat expected =
                new FileStat(
                        Long.parseLong(printed[0]),
                        Long.parseLong(printed[1]),
                        Long.parseLong(printed[2]),
                        Long.parseLong(printed[3]) * Long.parseLong(printed[4]),
                        nanos(printed[5]),
                        nanos(printed[6]),
                        nanos(printed[7]));
        try (PosixFile file = root.openFile("disk".getBytes(UTF_8), false)) {
            assertThat(file.stat()).isEqualTo(expected);
            assertThat(root.stat("disk".getBytes(UTF_8))).isEqualTo(expected);
            assertThat(expected.allocatedBytes()).isBetween(1L, 1024 * 1024 - 1L);
        }
    }

    @Test
    void statIsOfTheOpenFileAlsoWhenItsNameIsGone() throws IOException {
        Files.writeString(folder.resolve("disk"), "content");
        try (PosixFile file = root.openFile("disk".getBytes(UTF_8), false)) {
            FileStat before = file.stat();
            Files.delete(folder.resolve("disk"));
            Files.writeString(folder.resolve("disk"), "other");

            assertThat(file.stat().inode()).isEqualTo(before.inode());
            assertThat(file.stat().size()).isEqualTo(7);
            assertThat(Contents.of(file)).isEqualTo("content");
        }
    }

    /// Anyone may set such a time, so it must not keep a file from being read.
    @Test
    void aModificationTimeThatNanosecondsCannotCountIsStillATimeToCompare() throws IOException {
        Path path = folder.resolve("disk");
        ChildProcess.run("touch", "-d", "2300-01-01 00:00:00 UTC", path.toString());
        try (PosixFile file = root.openFile("disk".getBytes(UTF_8), false)) {
            FileStat early = file.stat();
            ChildProcess.run("touch", "-d", "2300-01-01 00:00:01 UTC", path.toString());
            assertThat(file.stat().modifiedNanos())
                    .isEqualTo(early.modifiedNanos() + 1_000_000_000L);
        }
    }

    /// The number is `makedev(0x12345, 0x6789ab)` of the C library.
    @Test
    void aDeviceHasAllBitsOfItsMajorAndMinorNumber() {
        Statx stat = new Statx(0, 0x12345, 0x6789ab, 1, 0, 0, 0, 0, 0, 0, 0, 0);

        assertThat(stat.toFileStat().device()).isEqualTo(0x12006789345abL);
    }

    @Test
    void theChannelIsOneAndClosesWithTheFile() throws IOException {
        PosixFile file = disk();
        FileChannel channel = file.channel();

        assertThat(file.channel()).isSameAs(channel);
        assertThat(channel.isOpen()).isTrue();
        file.close();
        assertThat(channel.isOpen()).isFalse();
    }

    @Test
    void closedItRefusesEverything() throws IOException {
        PosixFile file = disk();
        file.channel();
        file.close();

        Stream<ThrowingCallable> calls =
                Stream.of(
                        file::stat,
                        file::channel,
                        () -> file.reserve(0, 1),
                        () -> file.punch(0, 1),
                        () -> file.tryLockShared(100),
                        () -> file.tryLockExclusive(100),
                        () -> file.unlock(100, 1),
                        () -> file.isLockedByOthers(100),
                        () -> file.isLockedExclusivelyByOthers(100));
        assertThat(calls)
                .allSatisfy(call ->
                        assertThatThrownBy(call).isInstanceOf(ClosedChannelException.class));
    }

    /// The kernel gives the lowest free number to the next file.
    @Test
    void closedTwiceItDoesNotCloseTheNextFileThatGotItsNumber() throws IOException {
        for (int i = 0; i < 100; i++) {
            PosixFile first = disk();
            first.close();
            try (PosixFile next = disk()) {
                first.close();

                assertThat(next.stat().size()).isEqualTo(7);
            }
        }
    }

    /// Two files of different sizes are opened and closed by several threads that share each
    /// other's objects: a number that were used after its closing would show the other size, or
    /// `EBADF`.
    @Test
    void aFileThatIsClosedWhileInUseNeverShowsAnother() throws Exception {
        disk().close();
        Files.writeString(folder.resolve("other"), "longer content");
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 2000; i++) {
                PosixFile file = root.openFile("disk".getBytes(UTF_8), false);
                Future<Long> size = threads.submit(() -> sizeOrMinusOne(file));
                Future<?> closing = threads.submit(file::close);
                try (PosixFile other = root.openFile("other".getBytes(UTF_8), false)) {
                    assertThat(other.stat().size()).isEqualTo(14);
                }
                assertThat(size.get()).isIn(7L, -1L);
                closing.get();
            }
        }
    }

    private static long sizeOrMinusOne(PosixFile file) throws IOException {
        try {
            return file.stat().size();
        } catch (ClosedChannelException closed) {
            return -1;
        }
    }

    private PosixFile disk() throws IOException {
        Files.writeString(folder.resolve("disk"), "content");
        return root.openFile("disk".getBytes(UTF_8), true);
    }

    /// From seconds with nine decimals; for a time before 1970 the sign is that of the whole
    /// number.
    private static long nanos(String seconds) {
        return Long.parseLong(seconds.replace(".", ""));
    }
}
