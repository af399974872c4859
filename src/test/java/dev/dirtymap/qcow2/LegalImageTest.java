package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.BitmapDirectory.Summary;
import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ImageBytes.Extension;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Images that are odd and yet no rule is broken, or not the rule that one might think.
class LegalImageTest {

    private static final Summary VALID = new Summary(BitmapsState.VALID, null, true, false);

    @TempDir private static Path folder;

    private static RuleImages images = new RuleImages(Path.of("."));

    private final Path odd = folder.resolve("odd.qcow2");

    @BeforeAll
    static void findImages() {
        images = new RuleImages(folder);
    }

    /// A change that hurts nobody.
    record Oddity(String name, Consumer<ImageBytes> change) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Oddity> harmless() {
        return Stream.of(
                new Oddity("header of 109 bytes", b -> headerLength(b, 109)),
                new Oddity("header of 104 bytes", b -> headerLength(b, 104)),
                new Oddity("header of 2000 bytes", b -> headerLength(b, 2000)),
                new Oddity("unknown compatible bits", b -> b.setBits64(80, -1L << 1)),
                new Oddity("unknown autoclear bits", b -> b.setBits64(88, -1L << 2)),
                new Oddity("dirty bit", b -> b.setBits64(72, 1)),
                new Oddity("corrupt bit", b -> b.setBits64(72, 2)),
                new Oddity("size of no whole sector", b -> b.u64(24, (1 << 20) + 511)),
                new Oddity(
                        "unknown extension", b -> RuleCase.prepend(b, 0xdeadbeef, "x".repeat(17))),
                new Oddity("empty backing format", b -> emptyBackingFormat(b)),
                new Oddity("junk behind the end marker", LegalImageTest::addJunk),
                new Oddity("bitmaps extension twice", LegalImageTest::addBitmapsExtension),
                new Oddity("name padding that is not zero", b -> b.u8(b.directoryEntry(0) + 31, 7)),
                new Oddity("name that is not UTF-8", b -> b.u8(b.directoryEntry(0) + 24, 0xff)),
                new Oddity(
                        "name of 1023 bytes",
                        b -> RuleCase.rename(b, "n".repeat(1023).getBytes(UTF_8))),
                new Oddity("set tail bits", b -> b.u64(b.u64(b.bitmapTable(0)) + 2, -1)),
                new Oddity(
                        "snapshot table of no entries far away",
                        b -> b.u64(64, Long.MAX_VALUE & -65536)),
                new Oddity("directory whose padding the file lacks", b -> moveDirectory(b, 89)),
                new Oddity("data that the file ends in", LegalImageTest::moveData),
                new Oddity(
                        "two bitmaps with one table",
                        b -> b.u64(b.directoryEntry(1), b.bitmapTable(1))));
    }

    @ParameterizedTest
    @MethodSource("harmless")
    void isReadAsEver(Oddity oddity) throws IOException {
        oddity.change().accept(images.copy(Base.PLAIN, "odd.qcow2"));

        try (FileChannel channel = FileChannel.open(odd)) {
            ImageFile file = ImageFile.of(channel);
            BitmapDirectory bitmaps = Image.open(file, false).orElseThrow().bitmaps();
            assertThat(bitmaps.summary()).isEqualTo(VALID);
            assertThat(bitmaps.count()).isEqualTo(3);
            for (int i = 0; i < 3; i++) {
                assertThat(Extents.dirty(file, bitmaps.get(i))).isEqualTo(RuleImages.DIRTY);
            }
        }
        assertThat(RuleImages.opensInQemu(odd)).isTrue();
    }

    @Test
    void anEntryOfAllOnesIsClippedToTheDisk() throws IOException {
        ImageBytes bytes = images.copy(Base.PLAIN, "odd.qcow2");
        bytes.u64(bytes.bitmapTable(0), 1).u64(bytes.bitmapTable(1), 0);

        try (FileChannel channel = FileChannel.open(odd)) {
            ImageFile file = ImageFile.of(channel);
            BitmapDirectory bitmaps = Image.open(file, false).orElseThrow().bitmaps();
            assertThat(Extents.dirty(file, bitmaps.get(0)))
                    .containsExactly(new Extent(0, 1 << 20, true));
            assertThat(Extents.dirty(file, bitmaps.get(1))).isEmpty();
            assertThat(bitmaps.get(0).storedBytes()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void inUseIsNeverReadWhoeverHoldsTheImage(boolean held) throws IOException {
        ImageBytes bytes = images.copy(Base.PLAIN, "odd.qcow2");
        // Neither the size of the table nor its content counts then.
        bytes.u32(bytes.directoryEntry(0) + 12, 3).u32(bytes.directoryEntry(0) + 8, 5);
        bytes.u64(bytes.bitmapTable(0), -1);

        try (FileChannel channel = FileChannel.open(odd)) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), held).orElseThrow().bitmaps();
            assertThat(bitmaps.summary())
                    .isEqualTo(new Summary(BitmapsState.VALID, null, true, !held));
            assertThat(bitmaps.get(0).state())
                    .isEqualTo(held ? BitmapState.IN_USE : BitmapState.INCONSISTENT);
            assertThat(bitmaps.get(0).reason()).startsWith("in_use is set and ");
            assertThat(bitmaps.get(0).enabled()).isTrue();
            assertThat(bitmaps.get(1).state()).isEqualTo(BitmapState.CONSISTENT);
        }
        assertThat(RuleImages.opensInQemu(odd)).isTrue();
    }

    /// To QEMU a name ends at its first NUL byte, and so these two are one.
    @ParameterizedTest
    @ValueSource(strings = {"b\0x", "b\0", "c\0\0c"})
    void qemuRefusesNamesThatAreOneUpToANulByte(String name) throws IOException {
        RuleCase.rename(images.copy(Base.PLAIN, "odd.qcow2"), name.getBytes(UTF_8));

        try (FileChannel channel = FileChannel.open(odd)) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
            assertThat(bitmaps.summary().state()).isEqualTo(BitmapsState.UNSUPPORTED);
            assertThat(bitmaps.summary().opensInQemu()).isFalse();
            assertThat(bitmaps.get(1).state()).isEqualTo(BitmapState.CONSISTENT);
        }
        assertThat(RuleImages.opensInQemu(odd)).isFalse();
    }

    /// What QEMU does not mind in an entry leads it on to the table, which it does mind.
    @ParameterizedTest
    @ValueSource(strings = {"", "x\0y"})
    void qemuRefusesABrokenTableWhateverItsBitmapIsCalled(String name) throws IOException {
        ImageBytes bytes = images.copy(Base.PLAIN, "odd.qcow2");
        RuleCase.rename(bytes, name.getBytes(UTF_8));
        bytes.setBits64(bytes.bitmapTable(0), 2);

        try (FileChannel channel = FileChannel.open(odd)) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
            assertThat(bitmaps.summary().state()).isEqualTo(BitmapsState.CORRUPT);
            assertThat(bitmaps.summary().opensInQemu()).isFalse();
            assertThat(bitmaps.get(0).state()).isEqualTo(BitmapState.CORRUPT);
        }
        assertThat(RuleImages.opensInQemu(odd)).isFalse();
    }

    /// The last of two extensions counts, but QEMU demands that the first is sound too.
    @ParameterizedTest
    @ValueSource(ints = {0, 16, 24, 32})
    void qemuRefusesABrokenExtensionBeforeASoundOne(int length) throws IOException {
        ImageBytes bytes = images.copy(Base.PLAIN, "odd.qcow2");
        RuleCase.prepend(bytes, ImageBytes.BITMAPS_EXTENSION, "\0".repeat(length));

        for (boolean orphaned : new boolean[] {false, true}) {
            if (orphaned) {
                bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
            }
            try (FileChannel channel = FileChannel.open(odd)) {
                BitmapDirectory bitmaps =
                        Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
                Summary summary = bitmaps.summary();
                assertThat(summary.state())
                        .isEqualTo(orphaned ? BitmapsState.ORPHANED : BitmapsState.CORRUPT);
                assertThat(summary.opensInQemu())
                        .isEqualTo(orphaned && length == 24)
                        .isEqualTo(RuleImages.opensInQemu(odd));
                assertThat(bitmaps.count()).isEqualTo(3);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {64 + 24, 64 + 23, 64 + 1, 64, 1})
    void aDirectoryThatTheFileEndsInIsCorrupt(long length) throws IOException {
        moveDirectory(images.copy(Base.PLAIN, "odd.qcow2"), length);

        try (FileChannel channel = FileChannel.open(odd)) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
            assertThat(bitmaps.summary().state()).isEqualTo(BitmapsState.CORRUPT);
            assertThat(bitmaps.count()).isEqualTo(length < 64 ? 0 : 2);
        }
    }

    private static void headerLength(ImageBytes bytes, int length) {
        List<Extension> extensions = bytes.extensions();
        bytes.write(104, new byte[length + 8 - 104]).u32(100, length).extensions(extensions);
    }

    private static void emptyBackingFormat(ImageBytes bytes) {
        RuleCase.prepend(bytes, ImageBytes.BACKING_FORMAT_EXTENSION, "");
    }

    private static void addJunk(ImageBytes bytes) {
        Extension last = bytes.extensions().getLast();
        bytes.write(last.offset() + 8 + last.data().length() + 16, new byte[] {1, 2, 3, 4, 5, -1});
    }

    /// Puts a copy in front whose directory lies elsewhere, which is sound as far as the extension goes.
    private static void addBitmapsExtension(ImageBytes bytes) {
        byte[] payload = bytes.read(bytes.bitmapsPayload(), 24);
        List<Extension> extensions = new ArrayList<>(bytes.extensions());
        extensions.addFirst(
                new Extension(0, ImageBytes.BITMAPS_EXTENSION, new String(payload, ISO_8859_1)));
        bytes.extensions(extensions);
        bytes.u64(bytes.headerLength() + 8 + 16, 1L << 40);
    }

    /// Moves the directory to the end of the file, of which it keeps so many bytes of 96.
    private static void moveDirectory(ImageBytes bytes, long length) {
        byte[] directory = bytes.read(bytes.directoryOffset(), 96);
        long end = (bytes.length() + 65535) & -65536L;
        bytes.write(end, directory).u64(bytes.bitmapsPayload() + 16, end).truncate(end + length);
    }

    /// Moves 2 bytes of bits to the end of the file.
    private static void moveData(ImageBytes bytes) {
        byte[] bits = bytes.read(bytes.u64(bytes.bitmapTable(0)), 2);
        long end = (bytes.length() + 65535) & -65536L;
        bytes.write(end, bits).u64(bytes.bitmapTable(0), end);
    }
}
