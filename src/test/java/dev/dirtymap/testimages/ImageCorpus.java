package dev.dirtymap.testimages;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.springframework.util.FileSystemUtils;

/// Images of every kind that QEMU makes, for tests that hold our reading and writing against QEMU's.
///
/// Each image is built once a JVM, when it is first asked for, and removed when the JVM ends. The bitmaps on them have
/// the same content in every run.
///
///     @ParameterizedTest
///     @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
///     void readsWhatQemuReads(LazyCase lazy) {
///         Case image = lazy.get();
public final class ImageCorpus {

    private static final List<LazyCase> CASES =
            Stream.of(
                            FormatImages.cases(),
                            ChainImages.cases(),
                            BitmapImages.cases(),
                            HeaderImages.cases())
                    .flatMap(List::stream)
                    .toList();

    private static @Nullable Path folder;

    private ImageCorpus() {}

    /// All cases, for `@MethodSource`.
    public static Stream<LazyCase> cases() {
        return CASES.stream();
    }

    /// One case by its name.
    ///
    /// @throws NoSuchElementException if there is none of that name
    public static LazyCase named(String name) {
        return cases().filter(lazy -> lazy.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new NoSuchElementException("no case " + name));
    }

    static synchronized Path folder() {
        Path existing = folder;
        if (existing == null) {
            try {
                Path created = Files.createTempDirectory("image-corpus");
                Runtime.getRuntime()
                        .addShutdownHook(new Thread(() -> delete(created), "corpus-end"));
                existing = created;
                folder = created;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return existing;
    }

    private static void delete(Path tree) {
        try {
            FileSystemUtils.deleteRecursively(tree);
        } catch (IOException e) {
            // Nobody is left to be told; the system empties its temporary folder in time.
        }
    }
}
