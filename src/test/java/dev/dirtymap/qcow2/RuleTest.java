package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.BitmapDirectory.Summary;
import dev.dirtymap.qcow2.Rule.Effect;
import dev.dirtymap.qcow2.Rule.InQemu;
import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Breaks every rule by itself in an image that QEMU made, and asks QEMU whether it agrees.
class RuleTest {

    @TempDir private static Path folder;

    private static RuleImages images = new RuleImages(Path.of("."));

    private final Path broken = folder.resolve("broken.qcow2");

    @BeforeAll
    static void findImages() {
        images = new RuleImages(folder);
    }

    static Stream<RuleCase> imageCases() {
        return HeaderRuleCases.ALL.stream();
    }

    static Stream<RuleCase> structureCases() {
        return BitmapRuleCases.STRUCTURES.stream();
    }

    static Stream<RuleCase> bitmapCases() {
        return BitmapRuleCases.BITMAPS.stream();
    }

    @ParameterizedTest(name = "{index} {0}")
    @MethodSource("imageCases")
    void aBrokenImageIsRefusedWithTheReason(RuleCase one) throws IOException {
        String sentence = one.damage().inflict(images.copy(one.base(), "broken.qcow2"));

        assertThat(one.rule().effect()).isEqualTo(Effect.UNREADABLE);
        try (FileChannel channel = FileChannel.open(broken)) {
            assertThatThrownBy(() -> Image.open(ImageFile.of(channel), false))
                    .isInstanceOfSatisfying(
                            FormatException.class,
                            e -> assertThat(e.violation().rule()).isEqualTo(one.rule()))
                    .hasMessage(sentence);
        }
        assertThat(RuleImages.opensInQemu(broken))
                .as("QEMU opens it")
                .isEqualTo(one.rule().inQemu() == InQemu.OPENS);
    }

    @ParameterizedTest(name = "{index} {0}")
    @MethodSource("structureCases")
    void aBrokenStructureIsTheReasonOfTheSummary(RuleCase one) throws IOException {
        String sentence = one.damage().inflict(images.copy(one.base(), "broken.qcow2"));

        try (FileChannel channel = FileChannel.open(broken)) {
            BitmapDirectory bitmaps = open(channel).bitmaps();
            assertThat(bitmaps.summary())
                    .isEqualTo(
                            new Summary(
                                    BitmapsState.CORRUPT,
                                    sentence,
                                    one.rule().inQemu() == InQemu.OPENS,
                                    false));
            assertThat(bitmaps.reason()).isEqualTo(sentence);
            assertOthersAreReadable(channel, bitmaps, List.of());
        }
        assertThat(one.rule().effect()).isEqualTo(Effect.CORRUPT);
        assertThat(RuleImages.opensInQemu(broken))
                .as("QEMU opens it")
                .isEqualTo(one.rule().inQemu() == InQemu.OPENS);
    }

    @ParameterizedTest(name = "{index} {0}")
    @MethodSource("bitmapCases")
    void aBrokenBitmapLeavesTheOthersReadable(RuleCase one) throws IOException {
        String sentence = one.damage().inflict(images.copy(one.base(), "broken.qcow2"));

        try (FileChannel channel = FileChannel.open(broken)) {
            assertBroken(channel, one, sentence);
            BitmapDirectory bitmaps = open(channel).bitmaps();
            assertThat(bitmaps.count()).isEqualTo(3);
            assertOthersAreReadable(channel, bitmaps, one.affected());
        }
        assertThat(RuleImages.opensInQemu(broken))
                .as("QEMU opens it")
                .isEqualTo(one.rule().inQemu() == InQemu.OPENS);
    }

    /// What concerns table and data is of no interest while in_use is set, to QEMU as to us; everything else is.
    @ParameterizedTest(name = "{index} {0}")
    @MethodSource("bitmapCases")
    void qemuAgreesAlsoWhereTheBitmapIsInUse(RuleCase one) throws IOException {
        ImageBytes bytes = images.copy(one.base(), "broken.qcow2");
        one.damage().inflict(bytes);
        long flags = bytes.directoryEntry(0) + 12;
        bytes.u32(flags, bytes.u32(flags) | 1);

        Summary summary;
        Bitmap first;
        try (FileChannel channel = FileChannel.open(broken)) {
            Image image = open(channel);
            summary = image.bitmaps().summary();
            first = image.bitmaps().get(0);
        }

        assertThat(first.state()).isNotEqualTo(BitmapState.CONSISTENT);
        assertThat(summary.hasInconsistent()).isEqualTo(first.state() == BitmapState.INCONSISTENT);
        assertThat(summary.opensInQemu()).isEqualTo(RuleImages.opensInQemu(broken));
    }

    /// QEMU ignores the bitmaps then, and so no damage to them matters but for the length of the extension.
    @ParameterizedTest(name = "{index} {0}")
    @MethodSource({"structureCases", "bitmapCases"})
    void damageToOrphanedBitmapsMakesThemNoWorse(RuleCase one) throws IOException {
        ImageBytes bytes = images.copy(one.base(), "broken.qcow2");
        one.damage().inflict(bytes);
        bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);

        Summary summary;
        try (FileChannel channel = FileChannel.open(broken)) {
            BitmapDirectory bitmaps = open(channel).bitmaps();
            summary = bitmaps.summary();
            for (int i = 0; i < bitmaps.count(); i++) {
                assertOrphaned(bitmaps.get(i), channel);
            }
        }

        assertThat(summary.state())
                .isEqualTo(bytes.hasBitmaps() ? BitmapsState.ORPHANED : BitmapsState.NONE);
        assertThat(summary.reason())
                .isEqualTo(bytes.hasBitmaps() ? BitmapDirectory.ORPHANED : null);
        assertThat(summary.hasInconsistent()).isFalse();
        assertThat(summary.opensInQemu())
                .isEqualTo(one.rule() != Rule.BITMAPS_EXTENSION_LENGTH)
                .isEqualTo(RuleImages.opensInQemu(broken));
    }

    @Test
    void bitmapsThatQemuVoidedByGoingBackToVersion2AreOrphaned() throws IOException {
        images.copy(Base.PLAIN, "broken.qcow2");
        new QemuImg(folder).run("amend", "-o", "compat=0.10", "broken.qcow2");

        try (FileChannel channel = FileChannel.open(broken)) {
            Image image = open(channel);
            assertThat(image.header().version()).isEqualTo(2);
            assertThat(image.bitmaps().summary())
                    .isEqualTo(
                            new Summary(
                                    BitmapsState.ORPHANED, BitmapDirectory.ORPHANED, true, false));
            assertThat(image.bitmaps().count()).isEqualTo(3);
            for (int i = 0; i < 3; i++) {
                assertOrphaned(image.bitmaps().get(i), channel);
            }
        }
        assertThat(RuleImages.opensInQemu(broken)).isTrue();
    }

    /// QEMU has no such rule, but would need minutes and 8 GiB of memory for this image: it is asked about one with two
    /// such bitmaps.
    @Test
    void tablesBeyondTheBudgetAreNotChecked() throws IOException {
        RuleCase one = BitmapRuleCases.TABLES_TOTAL;
        String sentence = one.damage().inflict(images.copy(one.base(), "broken.qcow2"));

        try (FileChannel channel = FileChannel.open(broken)) {
            assertBroken(channel, one, sentence);
            BitmapDirectory bitmaps = open(channel).bitmaps();
            assertThat(bitmaps.get(BitmapRuleCases.BUDGET - 1).state())
                    .isEqualTo(BitmapState.CONSISTENT);
        }
        BitmapRuleCases.addBitmaps(images.copy(one.base(), "broken.qcow2"), 2);
        assertThat(RuleImages.opensInQemu(broken)).isEqualTo(one.rule().inQemu() == InQemu.OPENS);
    }

    @ParameterizedTest
    @EnumSource(Base.class)
    void whatIsBrokenIsSoundBefore(Base base) throws IOException {
        boolean none = !images.copy(base, "broken.qcow2").hasBitmaps();

        try (FileChannel channel = FileChannel.open(broken)) {
            BitmapDirectory bitmaps = open(channel).bitmaps();
            assertThat(bitmaps.summary())
                    .isEqualTo(
                            new Summary(
                                    none ? BitmapsState.NONE : BitmapsState.VALID,
                                    null,
                                    true,
                                    false));
            assertThat(bitmaps.count()).isEqualTo(none ? 0 : 3);
            assertOthersAreReadable(channel, bitmaps, List.of());
        }
        assertThat(RuleImages.opensInQemu(broken)).isTrue();
    }

    /// But for those of [MapDamageTest].
    @Test
    void everyRuleHasACase() {
        assertThat(Stream.concat(imageCases(), BitmapRuleCases.all().stream()).map(RuleCase::rule))
                .contains(
                        Stream.of(Rule.values())
                                .filter(rule -> rule.effect() != Effect.UNMAPPABLE)
                                .toArray(Rule[]::new));
    }

    private static void assertBroken(FileChannel channel, RuleCase one, String sentence)
            throws IOException {
        BitmapDirectory bitmaps = open(channel).bitmaps();
        Bitmap first = bitmaps.get(one.affected().getFirst());
        boolean corrupt = one.rule().effect() == Effect.CORRUPT;
        assertThat(bitmaps.summary())
                .isEqualTo(
                        new Summary(
                                corrupt ? BitmapsState.CORRUPT : BitmapsState.UNSUPPORTED,
                                "bitmap '%s': %s".formatted(Names.text(first.name()), sentence),
                                one.rule().inQemu() == InQemu.OPENS,
                                false));
        assertThat(bitmaps.reason()).isNull();
        assertThat(first.reason()).isEqualTo(sentence);
        for (int position : one.affected()) {
            Bitmap bitmap = bitmaps.get(position);
            assertThat(bitmap.state())
                    .isEqualTo(corrupt ? BitmapState.CORRUPT : BitmapState.UNSUPPORTED);
            assertThat(bitmap.storedBytes()).isEqualTo(-1);
            assertThatThrownBy(() -> bitmap.reader(ImageFile.of(channel)))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("the bitmap is %s: %s", bitmap.state(), bitmap.reason());
        }
    }

    private static void assertOthersAreReadable(
            FileChannel channel, BitmapDirectory bitmaps, List<Integer> affected)
            throws IOException {
        for (int i = 0; i < bitmaps.count(); i++) {
            if (!affected.contains(i)) {
                Bitmap bitmap = bitmaps.get(i);
                assertThat(bitmap.reason()).isNull();
                assertThat(bitmap.state()).isEqualTo(BitmapState.CONSISTENT);
                assertThat(Extents.dirty(ImageFile.of(channel), bitmap))
                        .isEqualTo(RuleImages.DIRTY);
            }
        }
    }

    private static void assertOrphaned(Bitmap bitmap, FileChannel channel) {
        assertThat(bitmap.state()).isEqualTo(BitmapState.ORPHANED);
        assertThat(bitmap.reason()).isEqualTo(BitmapDirectory.ORPHANED);
        assertThatThrownBy(() -> bitmap.reader(ImageFile.of(channel)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the bitmap is ORPHANED: " + BitmapDirectory.ORPHANED);
    }

    private static Image open(FileChannel channel) throws IOException {
        return Image.open(ImageFile.of(channel), false).orElseThrow();
    }
}
