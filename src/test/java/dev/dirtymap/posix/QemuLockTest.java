package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Against the real QEMU. It locks bytes 100 and up for what it does (101: it writes), 200 and up
/// for what others must not do.
class QemuLockTest {

    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final List<Long> WRITER_LOCKS = List.of(100L, 101L, 103L, 201L, 203L);
    private static final List<Long> READER_LOCKS = List.of(100L, 201L, 203L);

    @TempDir Path folder;
    private String image;

    @BeforeEach
    void create() {
        image = folder.resolve("disk.qcow2").toString();
        ChildProcess.run("qemu-img", "create", "-q", "-f", "qcow2", image, "1M");
    }

    @Test
    void aWriterInQemuIsSeen() throws Exception {
        try (RootFolder root = RootFolder.open(folder);
                PosixFile file = root.openFile("disk.qcow2".getBytes(UTF_8), true)) {
            assertThat(lockedByOthers(file)).isEmpty();
            try (ChildProcess qemu = ChildProcess.start("qemu-io", "-f", "qcow2", image)) {
                // the last one that it takes
                awaitLock(file, 203);

                assertThat(lockedByOthers(file)).isEqualTo(WRITER_LOCKS);
                assertThat(file.isLockedExclusivelyByOthers(101)).isFalse();
                assertThat(file.tryLockExclusive(201)).isFalse();
                assertThat(qemu.finish().exitCode()).isZero();
            }
            assertThat(lockedByOthers(file)).isEmpty();
        }
    }

    @Test
    void aReaderInQemuIsSeen() throws Exception {
        try (RootFolder root = RootFolder.open(folder);
                PosixFile file = root.openFile("disk.qcow2".getBytes(UTF_8), false);
                ChildProcess qemu = ChildProcess.start("qemu-io", "-r", "-f", "qcow2", image)) {
            awaitLock(file, 203);

            assertThat(lockedByOthers(file)).isEqualTo(READER_LOCKS);
            assertThat(qemu.finish().exitCode()).isZero();
        }
    }

    @Test
    void aReaderOfOursKeepsWritersOfQemuOutUntilItCloses() throws IOException {
        try (RootFolder root = RootFolder.open(folder)) {
            try (PosixFile file = root.openFile("disk.qcow2".getBytes(UTF_8), false)) {
                for (long offset : READER_LOCKS) {
                    assertThat(file.tryLockShared(offset)).isTrue();
                }
                // would drop the JDK's own locks
                FileChannel.open(Path.of(image), StandardOpenOption.READ).close();
                file.channel().close();

                assertRefused(tryAddBitmap());
                assertRefused(tryWrite());
                assertThat(ChildProcess.tryRun("qemu-img", "check", image).exitCode()).isZero();
            }
            assertThat(tryAddBitmap()).isEqualTo(new ChildProcess.Result(0, ""));
            assertThat(tryWrite().exitCode()).isZero();
        }
    }

    private ChildProcess.Result tryAddBitmap() {
        return ChildProcess.tryRun("qemu-img", "bitmap", "--add", image, "daily");
    }

    private ChildProcess.Result tryWrite() {
        return ChildProcess.tryRun("qemu-io", "-f", "qcow2", "-c", "write 0 64k", image);
    }

    private static void assertRefused(ChildProcess.Result result) {
        assertThat(result.exitCode()).isEqualTo(1);
        assertThat(result.output()).contains("Failed to get \"write\" lock");
    }

    private static List<Long> lockedByOthers(PosixFile file) throws IOException {
        List<Long> locked = new ArrayList<>();
        for (long offset : LongStream.rangeClosed(0, 400).toArray()) {
            if (file.isLockedByOthers(offset)) {
                locked.add(offset);
            }
        }
        return locked;
    }

    private static void awaitLock(PosixFile file, long offset) throws Exception {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (!file.isLockedByOthers(offset)) {
            assertThat(System.nanoTime() - end).as("time left for QEMU").isNegative();
            Thread.sleep(5);
        }
    }
}
