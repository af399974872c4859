package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.dirtymap.qcow2.MutantCorpus.Area;
import dev.dirtymap.qcow2.MutantCorpus.Original;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.NbdMap;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Flips bytes of sound images and reads everything. Whatever comes of it, it is an answer or a format error, it comes in
/// time, and it is never a wrong "clean".
class MutantTest {

    private static final int SEEDS = 20;
    private static final int MUTANTS_A_SEED = 500;

    /// Every so many mutants QEMU is asked too.
    private static final int QEMU_EVERY = 50;

    /// Against hangs: a seed takes a second or so.
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir private static Path folder;

    private static List<Original> corpus = List.of();

    /// An image with some bytes changed, or cut.
    ///
    /// @param offsets the bytes that differ
    private record Mutant(Original original, byte[] bytes, long[] offsets) {

        static Mutant of(Original original, Random random) {
            byte[] bytes = original.bytes().clone();
            var offsets = new long[1 + random.nextInt(8)];
            for (int i = 0; i < offsets.length; i++) {
                Area area = original.metadata().get(random.nextInt(original.metadata().size()));
                long end = Math.min(area.end(), bytes.length);
                offsets[i] = random.nextLong(area.start(), end);
                bytes[(int) offsets[i]] = mutated(bytes[(int) offsets[i]], random);
            }
            if (random.nextInt(20) == 0) {
                bytes = Arrays.copyOf(bytes, random.nextInt(4, bytes.length));
            }
            return new Mutant(original, bytes, offsets);
        }

        private static byte mutated(byte value, Random random) {
            return switch (random.nextInt(4)) {
                case 0 -> (byte) (value ^ 1 << random.nextInt(8));
                case 1 -> (byte) (value + (random.nextBoolean() ? 1 : -1));
                case 2 -> (byte) (random.nextBoolean() ? 0 : 0xff);
                default -> (byte) random.nextInt(256);
            };
        }

        boolean touches(Area area) {
            return Arrays.stream(offsets)
                    .anyMatch(offset ->
                            area.contains(offset)
                                    && (offset >= bytes.length
                                            || bytes[(int) offset]
                                                    != original.bytes()[(int) offset]));
        }
    }

    static IntStream seeds() {
        return IntStream.rangeClosed(1, SEEDS);
    }

    @BeforeAll
    static void makeCorpus() throws IOException {
        corpus = new MutantCorpus(folder).make();
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void damageIsSeenOrHarmless(int seed) {
        assertTimeoutPreemptively(
                PATIENCE,
                () -> {
                    var random = new Random(seed);
                    for (int i = 0; i < MUTANTS_A_SEED; i++) {
                        Original original = corpus.get(random.nextInt(corpus.size()));
                        Mutant mutant = Mutant.of(original, random);
                        // Where the backing file's name is changed, QEMU misses the file.
                        boolean askQemu =
                                i % QEMU_EVERY == 0
                                        && !(original.name().equals("overlay")
                                                && mutant.touches(original.header()));
                        try {
                            check(mutant, askQemu);
                        } catch (Exception | AssertionError e) {
                            throw new AssertionError(
                                    "mutant %d of %s, changed at %s, %d bytes"
                                            .formatted(
                                                    i,
                                                    original,
                                                    Arrays.toString(mutant.offsets()),
                                                    mutant.bytes().length),
                                    e);
                        }
                    }
                });
    }

    private static void check(Mutant mutant, boolean askQemu) throws IOException {
        var file = new MemoryImageFile(mutant.bytes());
        if (!Arrays.equals(mutant.bytes(), 0, 4, mutant.original().bytes(), 0, 4)) {
            assertThat(Image.open(file, false)).isEmpty();
            return;
        }
        ImageContent content;
        try {
            content = ImageContent.read(file);
        } catch (FormatException e) {
            assertThat(e.violation().rule().effect()).isEqualTo(Rule.Effect.UNREADABLE);
            if (askQemu && e.violation().rule().inQemu() == Rule.InQemu.REFUSED) {
                assertThat(opensInQemu(mutant)).as("QEMU opens it; we say %s", e).isFalse();
            }
            return;
        }
        if (!mutant.touches(mutant.original().header())) {
            assertUntouchedBitmapsAreTheSame(mutant, content);
        }
        if (askQemu && !content.header().has(Feature.DATA_FILE)) {
            boolean opens = opensInQemu(mutant);
            assertThat(content.summary().opensInQemu())
                    .as("QEMU opens it; we say %s", content.summary())
                    .isEqualTo(opens);
            if (opens && content.header().encryption() == Encryption.NONE) {
                assertQemuReadsTheSame(mutant, content);
            }
        }
    }

    private static void assertQemuReadsTheSame(Mutant mutant, ImageContent content) {
        List<ImageContent.Content> consistent =
                content.bitmaps().stream()
                        .filter(bitmap -> bitmap.state() == BitmapState.CONSISTENT)
                        // What is not UTF-8 cannot be asked for by what is shown of it.
                        .filter(bitmap -> !bitmap.name().contains("\ufffd"))
                        .toList();
        if (!mutant.original().name().equals("overlay")) {
            assertThat(
                            NbdMap.dirty(
                                    folder.resolve("mutant"),
                                    consistent.stream()
                                            .map(bitmap -> bitmap.name().getBytes(UTF_8))
                                            .toList()))
                    .isEqualTo(consistent.stream().map(MutantTest::dirty).toList());
        }
    }

    private static List<Range> dirty(ImageContent.Content bitmap) {
        return bitmap.extents().stream()
                .filter(Extent::dirty)
                .map(extent -> new Range(extent.offset(), extent.length(), true))
                .toList();
    }

    private static void assertUntouchedBitmapsAreTheSame(Mutant mutant, ImageContent content) {
        List<ImageContent.Content> originals = mutant.original().content().bitmaps();
        for (int i = 0; i < originals.size(); i++) {
            ImageContent.Content before = originals.get(i);
            boolean touched = mutant.original().bitmaps().get(i).stream().anyMatch(mutant::touches);
            for (ImageContent.Content now : content.bitmaps()) {
                if (!touched
                        && now.state() == BitmapState.CONSISTENT
                        && now.name().equals(before.name())) {
                    assertThat(now).isEqualTo(before);
                }
            }
        }
    }

    /// `qemu-io` opens more than `qemu-img info`, which needs no data file, and reads nothing, unlike `qemu-img map`.
    private static boolean opensInQemu(Mutant mutant) throws IOException {
        Files.write(folder.resolve("mutant"), mutant.bytes());
        ProgramResult result =
                Programs.tryRun(folder, "qemu-io", "-r", "-f", "qcow2", "-c", "quit", "mutant");
        return result.exitCode() == 0;
    }
}
