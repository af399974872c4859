package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Somebody keeps exchanging a folder, or a file, of the root with a symbolic link that leads
/// outside.
class RenameRaceTest {

    /// Long enough for thousands of opens.
    private static final Duration DURATION = Duration.ofMillis(500);

    /// How long a busy machine may take until each outcome was there at least once.
    private static final Duration DEADLINE = Duration.ofSeconds(30);

    private static final byte[] DISK = "a/disk".getBytes(UTF_8);
    private static final byte[] FOLDER = "a".getBytes(UTF_8);

    @TempDir Path temp;

    @BeforeEach
    void files() throws IOException {
        Files.createDirectories(temp.resolve("root/a"));
        Files.writeString(temp.resolve("root/a/disk"), "inside");
        Files.createDirectories(temp.resolve("outside"));
        Files.writeString(temp.resolve("outside/disk"), "outside");
        Files.writeString(temp.resolve("outside/secret"), "outside");
    }

    @ParameterizedTest
    @CsvSource({"a, outside", "a/disk, outside/disk"})
    void neverLeadsOutsideWhenAThreadSwaps(String swapped, String target) throws Exception {
        AtomicBoolean stop = new AtomicBoolean();
        Swapper swapper = new Swapper(temp.resolve("root").resolve(swapped), temp.resolve(target));
        Thread thread =
                Thread.ofPlatform()
                        .start(() -> {
                            while (!stop.get()) {
                                swapper.swapThereAndBack();
                            }
                        });
        try {
            assertNeverOutside();
        } finally {
            stop.set(true);
            thread.join();
        }
    }

    @ParameterizedTest
    @CsvSource({"a, outside", "a/disk, outside/disk"})
    void neverLeadsOutsideWhenAnotherProcessSwaps(String swapped, String target)
            throws IOException {
        try (ChildProcess process =
                ChildProcess.startJava(
                        Swapper.class,
                        temp.resolve("root").resolve(swapped).toString(),
                        temp.resolve(target).toString())) {
            assertThat(process.readLine()).isEqualTo("swapping");
            assertNeverOutside();
            assertThat(process.finish()).isEqualTo(new ChildProcess.Result(0, ""));
        }
    }

    /// As a proof that there is a race at all, the JDK must be seen led outside in the same time.
    private void assertNeverOutside() throws IOException {
        int inside = 0;
        int absent = 0;
        int jdkLedOutside = 0;
        long start = System.nanoTime();
        try (RootFolder root = RootFolder.open(temp.resolve("root"))) {
            while (isWithin(DURATION, start)
                    || (isWithin(DEADLINE, start)
                            && (inside == 0 || absent == 0 || jdkLedOutside == 0))) {
                try (PosixFile file = root.openFile(DISK, false)) {
                    assertThat(Contents.of(file)).isEqualTo("inside");
                    inside++;
                } catch (NoSuchFileException refused) {
                    absent++;
                }
                try {
                    List<FolderEntry> entries = root.list(FOLDER);
                    assertThat(entries).extracting(FolderEntry::toString).doesNotContain("secret");
                } catch (NoSuchFileException refused) {
                    absent++;
                }
                if (jdkIsLedOutside()) {
                    jdkLedOutside++;
                }
            }
        }
        assertThat(inside).as("opened").isPositive();
        assertThat(absent).as("refused").isPositive();
        assertThat(jdkLedOutside).as("led outside without protection").isPositive();
    }

    private static boolean isWithin(Duration duration, long startNanos) {
        return System.nanoTime() - startNanos < duration.toNanos();
    }

    private boolean jdkIsLedOutside() throws IOException {
        try {
            return Files.readString(temp.resolve("root/a/disk")).equals("outside");
        } catch (NoSuchFileException between) {
            return false;
        }
    }

    /// Renames the original away and a link to its place, and back. As a program: until its input
    /// ends.
    static final class Swapper {

        private final Path place;
        private final Path original;
        private final Path link;
        private int made;

        Swapper(Path place, Path target) throws IOException {
            this.place = place;
            Path top = Objects.requireNonNull(place.getParent());
            original = top.resolve("original");
            link = top.resolve("link");
            Files.createSymbolicLink(link, target);
        }

        public static void main(String[] arguments) throws IOException {
            Swapper swapper = new Swapper(Path.of(arguments[0]), Path.of(arguments[1]));
            System.out.println("swapping");
            Thread swaps =
                    Thread.ofPlatform()
                            .daemon()
                            .start(() -> {
                                while (true) {
                                    swapper.swapThereAndBack();
                                }
                            });
            int end = System.in.read();
            if (end >= 0 || !swaps.isAlive()) {
                System.exit(1);
            }
        }

        void swapThereAndBack() {
            move(place, original);
            move(link, place);
            move(place, link);
            move(original, place);
        }

        /// Goes on after a swap that failed since somebody made a folder at the place while it was empty: puts that out
        /// of the way.
        void restore() {
            while (Files.exists(original)) {
                try {
                    if (Files.exists(place, LinkOption.NOFOLLOW_LINKS)) {
                        move(place, place.resolveSibling("made" + made++));
                    }
                    move(original, place);
                } catch (UncheckedIOException madeAgain) {
                    Thread.onSpinWait();
                }
            }
        }

        private static void move(Path from, Path to) {
            try {
                Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }
    }
}
