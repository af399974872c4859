package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.testimages.DiskEvent.Discard;
import dev.dirtymap.testimages.DiskEvent.Sync;
import dev.dirtymap.testimages.DiskEvent.Write;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Here a sector is one letter, all of its bytes being the same, and `.` one of zeros.
class PowerCutTest {

    private static final int SECTOR = 512;

    @TempDir private Path folder;

    @Test
    void whatIsSyncedIsThere() {
        assertThat(states("abc", write(0, "X"), new Sync(), write(1, "Y"), new Sync()))
                .containsExactly(
                        entry("abc", "after event 0 of 4, everything"),
                        entry("Xbc", "after event 1 of 4, everything"),
                        entry("XYc", "after event 3 of 4, everything"));
    }

    @Test
    void whatIsNotSyncedMayBeThereInAnyOrder() {
        assertThat(states("ab", write(0, "X"), write(1, "Y")))
                .containsExactly(
                        entry("ab", "after event 0 of 2, everything"),
                        entry("Xb", "after event 1 of 2, everything"),
                        entry("XY", "after event 2 of 2, everything"),
                        entry("aY", "after event 2 of 2, sectors {1}"));
    }

    @Test
    void oneWriteMayBeTornBetweenSectors() {
        assertThat(states("abcd", write(1, "XY")).keySet())
                .containsExactly("abcd", "aXYd", "aXcd", "abYd");
    }

    @Test
    void aSectorHoldsAnyOfItsVersions() {
        assertThat(states("ab", write(0, "X"), write(0, "Y"), write(1, "Z")))
                .containsOnly(
                        entry("ab", "after event 0 of 3, everything"),
                        entry("Xb", "after event 1 of 3, everything"),
                        entry("Yb", "after event 2 of 3, everything"),
                        entry("YZ", "after event 3 of 3, everything"),
                        entry("XZ", "after event 3 of 3, sectors {0@1, 1}"),
                        entry("aZ", "after event 3 of 3, sectors {1}"));
    }

    @Test
    void aVersionBeforeTheSyncIsGone() {
        assertThat(states("a", write(0, "X"), write(0, "Y"), new Sync(), write(0, "Z")).keySet())
                .containsExactly("a", "X", "Y", "Z");
        assertThat(states("ab", write(0, "X"), new Sync(), write(0, "Y"), write(1, "Z")).keySet())
                .containsExactlyInAnyOrder("ab", "Xb", "Yb", "YZ", "XZ");
    }

    @Test
    void whatDoesNotChangeDoesNotCount() {
        assertThat(states("abc", write(0, "abX")).keySet()).containsExactly("abc", "abX");
        assertThat(states("abc", write(0, "abc"), new Sync()).keySet()).containsExactly("abc");
        assertThat(states("abc").keySet()).containsExactly("abc");
    }

    @Test
    void aSectorMayGetItsOldContentBack() {
        assertThat(states("ab", write(0, "X"), write(1, "Y"), write(0, "a")).keySet())
                .containsExactlyInAnyOrder("ab", "Xb", "XY", "aY");
    }

    @Test
    void theFileHasAnyOfItsLengths() {
        assertThat(states("a", write(1, "Y"), write(0, "X")))
                .containsOnly(
                        entry("a", "after event 0 of 2, everything"),
                        entry("aY", "after event 1 of 2, everything"),
                        entry("XY", "after event 2 of 2, everything"),
                        entry("X", "after event 2 of 2, sectors {0}, length 512"),
                        entry("a.", "after event 2 of 2, sectors {}, length 1024"),
                        entry("X.", "after event 2 of 2, sectors {0}, length 1024"));
        assertThat(states("a", write(3, "Y")).keySet())
                .containsExactlyInAnyOrder("a", "a...", "a..Y");
    }

    @Test
    void zerosBehindTheEndAreALengthOnly() {
        assertThat(states("a", write(1, "."), write(2, "..")).keySet())
                .containsExactly("a", "a.", "a...");
    }

    @Test
    void aDiscardIsAWriteOfZeros() {
        assertThat(states("abc", new Discard(0, 2 * SECTOR)).keySet())
                .containsExactlyInAnyOrder("abc", ".bc", "a.c", "..c");
        assertThat(states("ab", new Discard(SECTOR, 1 << 20)).keySet()).containsExactly("ab", "a.");
    }

    @Test
    void partsOfSectorsAreWrittenToo() {
        var base = new MemoryImageFile("a".repeat(SECTOR + 10).getBytes(ISO_8859_1));
        var write = new Write(SECTOR - 1, ByteBuffer.wrap("X".repeat(21).getBytes(ISO_8859_1)));
        String head = "a".repeat(SECTOR - 1);
        assertThat(
                        PowerCut.of(base, List.of(write), 1)
                                .states()
                                .map(state -> new String(bytes(state.file()), ISO_8859_1)))
                .containsExactlyInAnyOrder(
                        head + "a" + "a".repeat(10),
                        head + "X" + "a".repeat(10),
                        head + "a" + "X".repeat(10),
                        head + "X" + "X".repeat(10),
                        head + "a" + "a".repeat(10) + "\0".repeat(10),
                        head + "X" + "a".repeat(10) + "\0".repeat(10),
                        head + "a" + "X".repeat(20),
                        head + "X" + "X".repeat(20));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void agreesWithAllMixturesAfterEachEvent(long seed) {
        var random = new Random(seed);
        List<DiskEvent> events = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            events.add(
                    switch (random.nextInt(5)) {
                        case 0 -> new Sync();
                        case 1 -> new Discard(SECTOR * random.nextLong(4), SECTOR);
                        default ->
                                write(
                                        random.nextInt(4),
                                        List.of("X", "Y", "XY", "a", "YXX").get(random.nextInt(5)));
                    });
        }
        assertThat(states("abcd....", events.toArray(DiskEvent[]::new)).keySet())
                .as(events.toString())
                .containsExactlyInAnyOrderElementsOf(mixtures("abcd....", events));
    }

    @Test
    void triesTheTellingMixturesOfManySectors() {
        String base = "a".repeat(40);
        List<DiskEvent> events =
                List.of(write(0, "X".repeat(20)), write(20, "Y".repeat(20)), new Sync());
        PowerCut cut = PowerCut.of(file(base), events, 7).atMost(300);
        List<String> states = letters(cut);
        assertThat(states)
                .hasSizeBetween(200, 300)
                .doesNotHaveDuplicates()
                .startsWith(base, "X".repeat(20) + "a".repeat(20), "X".repeat(20) + "Y".repeat(20))
                .contains("a".repeat(39) + "Y", "X".repeat(19) + "a" + "Y".repeat(20));
        assertThat(states.stream().filter(state -> state.matches("a*[XY]a*"))).hasSize(40);
        assertThat(letters(cut)).isEqualTo(states);
        assertThat(letters(PowerCut.of(file(base), events, 8).atMost(300))).isNotEqualTo(states);
        assertThat(cut.states().map(PowerCut.State::name))
                .contains(
                        "after event 2 of 3, sectors {0}",
                        "after event 2 of 3, all sectors but {39}")
                .anyMatch(name ->
                        name.matches(
                                "after event 2 of 3, \\d+ of 40 sectors, mixture \\d+ of seed 7"))
                .doesNotHaveDuplicates();
    }

    @Test
    void aStateIsAFileOfItsOwn() throws IOException {
        MemoryImageFile base = file("ab");
        List<PowerCut.State> states =
                PowerCut.of(base, List.of(write(0, "X"), new Sync(), write(1, "Y")), 1)
                        .states()
                        .toList();
        states.get(1).file().write(0, ByteBuffer.wrap("ZZ".getBytes(ISO_8859_1)));
        states.get(1).file().write(3 * SECTOR, ByteBuffer.wrap(new byte[SECTOR]));
        assertThat(letters(states.get(1).file())).isEqualTo("Zb..");
        assertThat(letters(states.get(2).file())).isEqualTo("XY");
        assertThat(letters(base.bytes())).isEqualTo("ab");
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void aRealFileShowsOneStateAfterTheOther(long seed) throws IOException {
        var random = new Random(seed);
        var base = new byte[3000];
        random.nextBytes(base);
        var recording = new RecordingImageFile(new OverlayImageFile(new MemoryImageFile(base)));
        for (int i = 0; i < 12; i++) {
            var bytes = new byte[random.nextInt(1200)];
            random.nextBytes(bytes);
            recording.write(random.nextInt(7000), ByteBuffer.wrap(bytes));
            if (i % 4 == 3) {
                recording.discard(random.nextInt(7000), random.nextInt(2000));
                recording.sync();
            }
        }
        var cut = PowerCut.of(new MemoryImageFile(base), recording.events(), seed).atMost(60);
        Path path = folder.resolve("shown");
        try (var shown = new PatchedFile(path, new MemoryImageFile(base))) {
            assertThat(Files.readAllBytes(path)).isEqualTo(base);
            List<PowerCut.State> states = new ArrayList<>(cut.states().toList());
            Collections.shuffle(states, random);
            for (PowerCut.State state : states) {
                shown.show(state.file());
                assertThat(Files.readAllBytes(path))
                        .as(state.name())
                        .isEqualTo(bytes(state.file()));
            }
            shown.show(cut.complete());
        }
        assertThat(Files.readAllBytes(path)).isEqualTo(bytes(recording));
    }

    /// The same by brute force, for a file whose length stays.
    private static Set<String> mixtures(String base, List<DiskEvent> events) {
        Set<String> states = new TreeSet<>(Set.of(base));
        List<Set<Character>> versions = new ArrayList<>();
        base.chars().forEach(c -> versions.add(new HashSet<>(Set.of((char) c))));
        char[] latest = base.toCharArray();
        for (DiskEvent event : events) {
            switch (event) {
                case Write(long offset, ByteBuffer bytes) -> {
                    for (int i = 0; i < bytes.remaining(); i += SECTOR) {
                        latest[(int) (offset + i) / SECTOR] = letter(bytes.get(i));
                    }
                }
                case Discard(long offset, long length) -> latest[(int) offset / SECTOR] = '.';
                case Sync() -> versions.forEach(Set::clear);
            }
            Set<String> mixtures = Set.of("");
            for (int i = 0; i < latest.length; i++) {
                versions.get(i).add(latest[i]);
                Set<Character> here = versions.get(i);
                mixtures =
                        mixtures.stream()
                                .flatMap(left -> here.stream().map(c -> left + c))
                                .collect(Collectors.toSet());
            }
            states.addAll(mixtures);
        }
        return states;
    }

    /// All states and their names.
    private static Map<String, String> states(String base, DiskEvent... events) {
        Map<String, String> states = new LinkedHashMap<>();
        PowerCut.states(file(base).bytes(), List.of(events), 1)
                .forEach(state ->
                        assertThat(states.put(letters(state.file()), state.name())).isNull());
        return states;
    }

    private static List<String> letters(PowerCut cut) {
        return cut.states().map(state -> letters(state.file())).toList();
    }

    private static Write write(int sector, String letters) {
        return new Write((long) sector * SECTOR, ByteBuffer.wrap(file(letters).bytes()));
    }

    private static MemoryImageFile file(String letters) {
        String bytes =
                letters.chars()
                        .mapToObj(c -> Character.toString(c == '.' ? 0 : c).repeat(SECTOR))
                        .collect(Collectors.joining());
        return new MemoryImageFile(bytes.getBytes(ISO_8859_1));
    }

    private static String letters(ImageFile file) {
        return letters(bytes(file));
    }

    private static String letters(byte[] bytes) {
        return IntStream.range(0, bytes.length / SECTOR)
                .mapToObj(i -> String.valueOf(letter(bytes[i * SECTOR])))
                .collect(Collectors.joining());
    }

    private static char letter(byte b) {
        return b == 0 ? '.' : (char) b;
    }

    private static byte[] bytes(ImageFile file) {
        try {
            var bytes = ByteBuffer.allocate((int) file.size() + 1);
            int count = file.read(0, bytes);
            return Arrays.copyOf(bytes.array(), count);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
