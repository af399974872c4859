package dev.dirtymap.testimages;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LeakCheckTest {

    @TempDir private Path folder;

    @Test
    void seesAnOpenFileUntilItIsClosed() throws IOException {
        Path file = Files.writeString(folder.resolve("disk"), "x");
        OpenFiles before = OpenFiles.now();
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            assertThat(channel.isOpen()).isTrue();
            assertThat(OpenFiles.leakedSince(before, Duration.ZERO))
                    .singleElement()
                    .asString()
                    .endsWith("-> " + file);
        }
        assertThat(OpenFiles.leakedSince(before, Duration.ZERO)).isEmpty();
    }

    @Test
    void seesADeletedFile() throws IOException {
        Path file = Files.writeString(folder.resolve("disk"), "x");
        OpenFiles before = OpenFiles.now();
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            Files.delete(file);
            assertThat(channel.isOpen()).isTrue();
            assertThat(OpenFiles.now().since(before)).hasSize(1);
        }
    }

    @Test
    void seesALockOnAFileThatWasOpenBefore() throws IOException {
        Path file = Files.writeString(folder.resolve("disk"), "x");
        try (var channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            OpenFiles before = OpenFiles.now();
            try (FileLock lock = channel.lock(201, 1, false)) {
                assertThat(lock.isValid()).isTrue();
                assertThat(OpenFiles.now().since(before))
                        .singleElement()
                        .asString()
                        .contains("lock: ")
                        .endsWith(" 201 201");
            }
            assertThat(OpenFiles.now().since(before)).isEmpty();
        }
    }

    @Test
    void waitsForAFileThatIsClosedALittleLater() throws Exception {
        Path file = Files.writeString(folder.resolve("disk"), "x");
        OpenFiles before = OpenFiles.now();
        var channel = FileChannel.open(file, StandardOpenOption.READ);
        Thread closing =
                Thread.ofVirtual()
                        .start(() -> {
                            try (channel) {
                                Thread.sleep(100);
                            } catch (IOException | InterruptedException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        assertThat(OpenFiles.leakedSince(before, Duration.ofSeconds(2))).isEmpty();
        closing.join();
    }
}
