package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Somebody keeps exchanging a folder with a symbolic link that leads outside, while files and
/// folders in it are made, replaced and deleted.
class ChangeRaceTest {

    private static final Duration DURATION = Duration.ofSeconds(1);

    /// How long a busy machine may take until each outcome was there at least once.
    private static final Duration DEADLINE = Duration.ofSeconds(30);

    @TempDir Path temp;
    private int done;
    private int refused;

    @Test
    void nothingIsEverChangedOutside() throws Exception {
        Path outside = Files.createDirectory(temp.resolve("outside"));
        Files.writeString(outside.resolve("disk"), "outside");
        Files.createDirectories(temp.resolve("root/a"));
        AtomicBoolean stop = new AtomicBoolean();
        RenameRaceTest.Swapper swapper =
                new RenameRaceTest.Swapper(temp.resolve("root/a"), outside);
        Thread swaps =
                Thread.ofPlatform()
                        .start(() -> {
                            while (!stop.get()) {
                                try {
                                    swapper.swapThereAndBack();
                                } catch (UncheckedIOException made) {
                                    swapper.restore();
                                }
                            }
                        });
        long start = System.nanoTime();
        try (RootFolder root = RootFolder.open(temp.resolve("root"))) {
            while (isWithin(DURATION, start)
                    || (isWithin(DEADLINE, start) && (done == 0 || refused == 0))) {
                attempt(() -> root.createFolders(bytes("a/made/deep")));
                attempt(() -> create(root));
                attempt(() -> root.replaceFile(bytes("a/disk"), bytes("inside")));
                attempt(() -> root.delete(bytes("a/disk")));
            }
        } finally {
            stop.set(true);
            swaps.join();
        }

        assertThat(outside.resolve("disk")).hasContent("outside");
        assertThat(outside).isDirectoryNotContaining("glob:**/{made,new,.*}");
        assertThat(temp.resolve("root/a")).isDirectoryNotContaining("glob:**/.dirtymap-*");
        assertThat(done).as("done").isPositive();
        assertThat(refused).as("refused").isPositive();
    }

    private static void create(RootFolder root) throws IOException {
        try (NewFile made = root.createFile(bytes("a/new"))) {
            made.file().channel().write(ByteBuffer.wrap(bytes("inside")));
            made.publish();
        }
        root.delete(bytes("a/new"));
    }

    private interface Attempt {
        void run() throws IOException;
    }

    private void attempt(Attempt attempt) throws IOException {
        try {
            attempt.run();
            done++;
        } catch (NoSuchFileException | FileAlreadyExistsException swapped) {
            refused++;
        }
    }

    private static boolean isWithin(Duration duration, long startNanos) {
        return System.nanoTime() - startNanos < duration.toNanos();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
