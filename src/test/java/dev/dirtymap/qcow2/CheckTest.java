package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.LazyCase;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuImg.CheckResult;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Sound images, and those that only leak: what the check says of them is what `qemu-img check` says.
class CheckTest {

    @ParameterizedTest
    @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
    void countsWhatQemuCounts(LazyCase lazy) throws IOException {
        Case image = lazy.get();
        CheckResult qemu = new QemuImg(image.folder()).check(image.file());
        assertThat(qemu.exitCode()).as(qemu.text()).isNotEqualTo(1);

        Check.Report report = check(image.image());

        assertThat(QemuCheck.of(report))
                .as("%s", report.errors())
                .isEqualTo(new QemuCheck(qemu.corruptions(), qemu.leaks(), qemu.checkErrors()));
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

    private static Check.Report check(Path image) throws IOException {
        try (FileChannel channel = FileChannel.open(image)) {
            return Check.run(ImageFile.of(channel));
        }
    }
}
