package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.NbdMap;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Every way to break the bitmaps of an image, repaired: QEMU opens the result, good bitmaps and guest data are
/// what they were.
class RepairTest {

    private static final List<Range> DIRTY =
            List.of(new Range(0, 65536, true), new Range(524288, 131072, true));

    @TempDir private Path folder;

    private RuleImages images;
    private Path broken;

    @BeforeEach
    void setUp() {
        images = new RuleImages(folder);
        broken = folder.resolve("broken.qcow2");
    }

    static Stream<RuleCase> bitmapCases() {
        return BitmapRuleCases.BITMAPS.stream();
    }

    static Stream<RuleCase> structureCases() {
        return BitmapRuleCases.STRUCTURES.stream();
    }

    private List<RepairAction> repair(boolean dropUnsupported, boolean dryRun) throws Exception {
        try (FileChannel channel =
                FileChannel.open(broken, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ImageFile file = ImageFile.of(channel);
            return Repair.bitmaps(
                    Image.open(file, false).orElseThrow(), file, dropUnsupported, dryRun);
        }
    }

    private List<RepairAction> repairLeaks() throws IOException {
        try (FileChannel channel =
                FileChannel.open(broken, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            return Repair.leaks(ImageFile.of(channel), false);
        }
    }

    private Check.Report check() throws IOException {
        try (FileChannel channel = FileChannel.open(broken)) {
            return Check.run(ImageFile.of(channel));
        }
    }

    @ParameterizedTest(name = "{index} {0}")
    @MethodSource("bitmapCases")
    void aBrokenBitmapGoesAndTheOthersStay(RuleCase one) throws Exception {
        one.damage().inflict(images.copy(one.base(), "broken.qcow2"));
        boolean opens = one.rule().inQemu() == Rule.InQemu.OPENS;
        assertThat(check().consistent()).isFalse();
        assertThat(check().errors().stream().anyMatch(Finding::fatal)).isEqualTo(!opens);
        byte[] before = Files.readAllBytes(broken);

        assertThat(repair(true, true)).hasSameSizeAs(one.affected());
        assertThat(Files.readAllBytes(broken)).isEqualTo(before);
        assertThat(repair(true, false))
                .hasSameSizeAs(one.affected())
                .allSatisfy(
                        action -> assertThat(action).isInstanceOf(RepairAction.DropBitmap.class));

        List<String> kept = new ArrayList<>(List.of("a", "b", "c"));
        for (int position : one.affected().reversed()) {
            kept.remove(position);
        }
        assertUsable(kept);
    }

    @ParameterizedTest(name = "{index} {0}")
    @MethodSource("structureCases")
    void aBrokenDirectoryGivesUpWhatCannotBeTold(RuleCase one) throws Exception {
        one.damage().inflict(images.copy(one.base(), "broken.qcow2"));
        boolean opens = one.rule().inQemu() == Rule.InQemu.OPENS;
        assertThat(check().errors().stream().anyMatch(Finding::fatal)).isEqualTo(!opens);

        assertThat(repair(false, false)).isNotNull();

        List<String> kept =
                switch (one.rule()) {
                    case DIRECTORY_ENTRIES -> List.of("a", "b", "c");
                    case DIRECTORY_SUM -> null;
                    default -> List.of();
                };
        assertUsable(kept == null ? names() : kept);
    }

    /// Legal bitmaps that QEMU refuses are only given up when that is asked for.
    @Test
    void unsupportedBitmapsStayUnlessAskedFor() throws Exception {
        ImageBytes bytes = images.copy(Base.PLAIN, "broken.qcow2");
        bytes.u32(bytes.directoryEntry(0) + 12, 4);
        assertThat(repair(false, false)).isEmpty();
        assertThat(RuleImages.opensInQemu(broken)).isFalse();
        assertThat(repair(true, false)).hasSize(1);
        assertUsable(List.of("b", "c"));
    }

    /// The case from the field: zeros where the directory should be, and a machine that does not boot.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aMachineBootsAgain(boolean corruptBit) throws Exception {
        ImageBytes bytes = images.copy(Base.PLAIN, "broken.qcow2");
        bytes.write(bytes.directoryOffset(), new byte[(int) bytes.directorySize()]);
        if (corruptBit) {
            bytes.setBits64(ImageBytes.INCOMPATIBLE_FEATURES, 2);
        }
        assertThat(RuleImages.opensInQemu(broken)).isFalse();
        assertThat(repair(false, false)).isNotEmpty();
        assertUsable(List.of());
    }

    /// A broken entry in the middle, on an image that a program left dirty or corrupt.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void oneBrokenEntryCostsNoOtherBitmap(long incompatible) throws Exception {
        ImageBytes bytes = images.copy(Base.PLAIN, "broken.qcow2");
        bytes.u64(bytes.directoryEntry(1), 12345);
        bytes.setBits64(ImageBytes.INCOMPATIBLE_FEATURES, incompatible);
        assertThat(RuleImages.opensInQemu(broken)).isFalse();
        assertThat(repair(false, false)).hasSize(1);
        assertUsable(List.of("a", "c"));
    }

    /// Leaked clusters are given back, and nothing else is touched.
    @Test
    void leaksAreReclaimed() throws Exception {
        ImageBytes bytes = images.copy(Base.PLAIN, "broken.qcow2");
        long block = bytes.u64(bytes.u64(48));
        bytes.u16(block + 2 * 200, 1).u16(block + 2 * 201, 3).u16(block + 2 * 7000, 1);
        bytes.truncate(7001L << 16);
        QemuImg qemu = new QemuImg(folder);
        assertThat(qemu.check("broken.qcow2").leaks()).isEqualTo(3);
        assertThat(repairLeaks()).containsExactly(new RepairAction.FreeClusters(3));
        assertThat(qemu.check("broken.qcow2").exitCode()).isZero();
        assertUsable(List.of("a", "b", "c"));
    }

    /// Whatever is left of the directory.
    private List<String> names() throws IOException {
        List<String> names = new ArrayList<>();
        try (FileChannel channel = FileChannel.open(broken)) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
            for (int i = 0; i < bitmaps.count(); i++) {
                names.add(new String(bitmaps.name(i), UTF_8));
            }
        }
        assertThat(names).isSubsetOf("a", "b", "c");
        return names;
    }

    private void assertUsable(List<String> kept) throws Exception {
        assertThat(RuleImages.opensInQemu(broken)).isTrue();
        assertThat(names()).containsExactlyElementsOf(kept);
        for (String name : kept) {
            assertThat(NbdMap.dirty(broken, name)).as(name).isEqualTo(DIRTY);
        }
        repairLeaks();
        Check.Report report = check();
        assertThat(report.corruptions()).as("%s", report.errors()).isZero();
        assertThat(report.leakedClusters()).as("%s", report.errors()).isZero();
        ImageBytes bytes = new ImageBytes(broken);
        bytes.clearBits64(ImageBytes.INCOMPATIBLE_FEATURES, 3);
        assertThat(new QemuImg(folder).check("broken.qcow2").exitCode()).isZero();
        assertThat(QemuIo.run(broken, "read -P 1 0 64k", "read -P 2 512k 128k"))
                .doesNotContain("verification failed");
        // And for writing, which rewrites all bitmaps.
        QemuIo.run(broken, "write -P 3 900k 4k");
        assertThat(new QemuImg(folder).check("broken.qcow2").exitCode()).isZero();
    }
}
