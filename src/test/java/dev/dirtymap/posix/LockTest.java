package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Locks against another object in this process, and against the POSIX locks of another process.
class LockTest {

    @TempDir Path folder;
    private RootFolder root;
    private PosixFile mine;
    private PosixFile other;

    @BeforeEach
    void open() throws IOException {
        Files.createFile(folder.resolve("disk"));
        root = RootFolder.open(folder);
        mine = root.openFile("disk".getBytes(UTF_8), true);
        other = root.openFile("disk".getBytes(UTF_8), true);
    }

    @AfterEach
    void close() {
        mine.close();
        other.close();
        root.close();
    }

    @Test
    void sharedLocksShare() throws IOException {
        assertThat(mine.tryLockShared(100)).isTrue();
        assertThat(other.tryLockShared(100)).isTrue();
        assertThat(other.isLockedByOthers(100)).isTrue();
        assertThat(other.isLockedExclusivelyByOthers(100)).isFalse();
        assertThat(other.tryLockExclusive(100)).isFalse();
    }

    @Test
    void anExclusiveLockIsAlone() throws IOException {
        assertThat(mine.tryLockExclusive(300)).isTrue();
        assertThat(other.tryLockShared(300)).isFalse();
        assertThat(other.tryLockExclusive(300)).isFalse();
        assertThat(other.isLockedByOthers(300)).isTrue();
        assertThat(other.isLockedExclusivelyByOthers(300)).isTrue();
    }

    @Test
    void aLockIsOnOneByteOnly() throws IOException {
        assertThat(mine.tryLockExclusive(100)).isTrue();

        assertThat(other.isLockedByOthers(99)).isFalse();
        assertThat(other.isLockedByOthers(101)).isFalse();
        assertThat(other.tryLockExclusive(99)).isTrue();
        assertThat(other.tryLockExclusive(101)).isTrue();
    }

    @Test
    void ownLocksAreNotOthers() throws IOException {
        assertThat(mine.tryLockExclusive(100)).isTrue();
        assertThat(mine.isLockedByOthers(100)).isFalse();
        assertThat(mine.isLockedExclusivelyByOthers(100)).isFalse();
    }

    @Test
    void aLaterLockReplacesTheEarlierOne() throws IOException {
        assertThat(mine.tryLockExclusive(100)).isTrue();
        assertThat(mine.tryLockShared(100)).isTrue();
        assertThat(other.tryLockShared(100)).isTrue();
        assertThat(mine.tryLockExclusive(100)).as("the other reads").isFalse();
        other.unlock(100, 1);
        assertThat(mine.tryLockExclusive(100)).isTrue();
    }

    @Test
    void unlockFreesItsRangeOnly() throws IOException {
        for (long offset = 100; offset <= 103; offset++) {
            assertThat(mine.tryLockShared(offset)).isTrue();
        }
        mine.unlock(101, 2);

        assertThat(other.isLockedByOthers(100)).isTrue();
        assertThat(other.isLockedByOthers(101)).isFalse();
        assertThat(other.isLockedByOthers(102)).isFalse();
        assertThat(other.isLockedByOthers(103)).isTrue();
    }

    /// For the system call, a length of 0 means all bytes to the end and beyond.
    @Test
    void unlockRefusesALengthOfZeroAndNegativeNumbers() throws IOException {
        assertThat(mine.tryLockShared(100)).isTrue();

        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> mine.unlock(0, 0))
                .withMessage("length must be at least 1 but was 0");
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> mine.unlock(200, -150));
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> mine.tryLockShared(-1));
        assertThat(other.isLockedByOthers(100)).isTrue();
    }

    @Test
    void anExclusiveLockNeedsAFileOpenForWriting() throws IOException {
        try (PosixFile reader = root.openFile("disk".getBytes(UTF_8), false)) {
            assertThatExceptionOfType(NonWritableChannelException.class)
                    .isThrownBy(() -> reader.tryLockExclusive(100));
            assertThat(reader.tryLockShared(100)).isTrue();
            assertThat(mine.isLockedByOthers(100)).isTrue();
            assertThat(reader.isLockedByOthers(101)).as("asking needs no writing").isFalse();
        }
    }

    @Test
    void closingReleasesAllLocks() throws IOException {
        assertThat(mine.tryLockExclusive(100)).isTrue();
        assertThat(mine.tryLockShared(200)).isTrue();
        mine.channel();
        mine.close();

        assertThat(other.isLockedByOthers(100)).isFalse();
        assertThat(other.isLockedByOthers(200)).isFalse();
    }

    /// With the JDK's own locks this is the trap: they go when any descriptor of the file is
    /// closed.
    @Test
    void anotherChannelThatOpensAndClosesLeavesTheLocksAlone() throws IOException {
        assertThat(mine.tryLockExclusive(100)).isTrue();
        FileChannel.open(folder.resolve("disk"), StandardOpenOption.WRITE).close();
        mine.channel().close();

        assertThat(other.isLockedExclusivelyByOthers(100)).isTrue();
    }

    @Test
    void theLocksOfAnotherProcessAreSeenAndRespected() throws IOException {
        try (ChildProcess process =
                ChildProcess.startJava(PosixLocks.class, folder.resolve("disk").toString())) {
            assertThat(process.readLine()).isEqualTo("shared 100: true, exclusive 300: true");

            assertThat(mine.isLockedByOthers(100)).isTrue();
            assertThat(mine.isLockedExclusivelyByOthers(100)).isFalse();
            assertThat(mine.tryLockShared(100)).isTrue();
            assertThat(mine.tryLockExclusive(100)).isFalse();
            assertThat(mine.isLockedExclusivelyByOthers(300)).isTrue();
            assertThat(mine.tryLockShared(300)).isFalse();
            assertThat(mine.isLockedByOthers(200)).isFalse();

            process.finish();
        }
        assertThat(mine.isLockedByOthers(100)).isFalse();
        assertThat(mine.isLockedByOthers(300)).isFalse();
    }

    @Test
    void anotherProcessRespectsOurs() throws IOException {
        assertThat(mine.tryLockExclusive(100)).isTrue();
        assertThat(mine.tryLockShared(300)).isTrue();
        try (ChildProcess process =
                ChildProcess.startJava(PosixLocks.class, folder.resolve("disk").toString())) {
            assertThat(process.readLine()).isEqualTo("shared 100: false, exclusive 300: false");
        }
    }

    /// Takes the JDK's locks and holds them until its input ends.
    static final class PosixLocks {

        private PosixLocks() {}

        public static void main(String[] arguments) throws IOException {
            try (FileChannel channel =
                    FileChannel.open(
                            Path.of(arguments[0]),
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE)) {
                FileLock shared = channel.tryLock(100, 1, true);
                FileLock exclusive = channel.tryLock(300, 1, false);
                System.out.printf(
                        "shared 100: %s, exclusive 300: %s%n", shared != null, exclusive != null);
                System.in.readAllBytes();
            }
        }
    }
}
