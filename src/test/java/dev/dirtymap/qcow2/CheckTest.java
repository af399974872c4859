package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertAll;

import dev.dirtymap.qcow2.CheckImages.Shape;
import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.LazyCase;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuImg.CheckResult;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the check says of an image is what `qemu-img check` says of it, wherever that says something.
class CheckTest {

    /// So few that each image takes several walks.
    private static final int FEW_CLUSTERS = 11;

    @TempDir private Path folder;

    static Stream<Shape> shapes() {
        return CheckImages.shapes();
    }

    @ParameterizedTest
    @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
    void countsOfSoundImages(LazyCase lazy) throws IOException {
        Case image = lazy.get();
        CheckResult qemu = new QemuImg(image.folder()).check(image.file());
        assertThat(qemu.counted()).as(qemu.text()).isTrue();

        Check.Report report = check(image.image(), 1 << 20);

        assertThat(Counts.of(report)).as("%s", report.errors()).isEqualTo(Counts.of(qemu));
        assertThat(report.complete()).isTrue();
        if (qemu.exitCode() == 0) {
            // QEMU leaves such bits behind, against the format, and does not mind them.
            assertThat(report.errors())
                    .allMatch(finding -> finding.message().contains("bits after the last one"))
                    .hasSizeLessThan(2);
            assertThat(report.consistent()).isEqualTo(report.errors().isEmpty());
        } else {
            assertThat(report.errors())
                    .isNotEmpty()
                    .allMatch(finding -> finding.repair() == Finding.Repair.LEAKS);
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void countsOfDamagedImages(Shape shape) {
        var images = new CheckImages(folder);
        ImageBytes original = images.make(shape);
        assertAll(
                shape.toString(),
                CheckDamages.of(shape).stream()
                        .map(damage -> () -> assertSameCounts(images.copy(original), damage)));
    }

    private void assertSameCounts(ImageBytes bytes, CheckDamages.Damage damage) throws IOException {
        damage.inflict().accept(bytes);
        CheckResult qemu = new QemuImg(folder).check("damaged.qcow2");
        Check.Report report = check(bytes.file(), 1 << 20);
        if (qemu.counted()) {
            assertThat(Counts.of(report))
                    .as("%s: %s%n%s", damage, report.errors(), qemu.text())
                    .isEqualTo(Counts.of(qemu));
        } else {
            assertThat(report.consistent()).as("%s: %s", damage, qemu.text()).isFalse();
        }
        Check.Report inPieces = check(bytes.file(), FEW_CLUSTERS);
        assertThat(Counts.of(inPieces)).as(damage.name()).isEqualTo(Counts.of(report));
        assertThat(inPieces.complete()).isEqualTo(report.complete());
        assertThat(inPieces.checkedClusters()).isEqualTo(report.checkedClusters());
    }

    private static Check.Report check(Path image, int clustersAWalk) throws IOException {
        try (FileChannel channel = FileChannel.open(image)) {
            return Check.run(ImageFile.of(channel), clustersAWalk);
        }
    }

    /// What both count.
    private record Counts(long corruptions, long leaks, long checkErrors) {

        static Counts of(CheckResult qemu) {
            return new Counts(qemu.corruptions(), qemu.leaks(), qemu.checkErrors());
        }

        static Counts of(Check.Report report) {
            return new Counts(report.corruptions(), report.leakedClusters(), report.checkErrors());
        }
    }
}
