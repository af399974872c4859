package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

class ImageCorpusTest {

    @ParameterizedTest
    @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
    void holdsWhatItSays(LazyCase lazy) {
        Case image = lazy.get();
        var qemuImg = new QemuImg(image.folder());
        boolean orphaned =
                image.bitmaps().stream().anyMatch(b -> b.state() == BitmapSpec.State.ORPHANED);

        QemuImg.CheckResult check = qemuImg.check(image.file());
        assertThat(check.exitCode()).as(check.text()).isEqualTo(orphaned ? 3 : 0);

        List<String> expected = new ArrayList<>();
        for (BitmapSpec bitmap : image.bitmaps()) {
            if (bitmap.state() != BitmapSpec.State.ORPHANED) {
                expected.add(
                        "%s %d [%s%s]"
                                .formatted(
                                        new String(bitmap.name(), UTF_8),
                                        bitmap.granularity(),
                                        bitmap.state() == BitmapSpec.State.INCONSISTENT
                                                ? "in-use "
                                                : "",
                                        bitmap.enabled() ? "auto " : ""));
            }
        }
        List<String> actual = new ArrayList<>();
        for (JsonNode bitmap : qemuImg.info(image.file()).at("/format-specific/data/bitmaps")) {
            var flags = new StringBuilder();
            bitmap.path("flags").forEach(flag -> flags.append(flag.asString()).append(' '));
            actual.add(
                    "%s %d [%s]"
                            .formatted(
                                    bitmap.path("name").asString(),
                                    bitmap.path("granularity").asLong(),
                                    flags));
        }
        assertThat(actual).containsExactlyElementsOf(expected);

        var bytes = new ImageBytes(image.image());
        for (int i = 0; i < image.bitmaps().size(); i++) {
            assertThat(bytes.bitmapName(i)).isEqualTo(image.bitmaps().get(i).name());
        }
        assertThat(bytes.hasBitmaps()).isEqualTo(!image.bitmaps().isEmpty());
        assertThat(image.dirtyRanges()).hasSize(image.consistentBitmaps().size());
    }

    @Test
    void namesEachCaseOnce() {
        assertThat(ImageCorpus.cases().map(LazyCase::name)).doesNotHaveDuplicates();
    }

    @Test
    void givesTheSameContentInEveryBuild(@TempDir Path folder) {
        LazyCase lazy = ImageCorpus.named("snapshots");
        assertThat(lazy.buildIn(folder).dirtyRanges()).isEqualTo(lazy.get().dirtyRanges());
    }

    @Test
    void copiesAnImageWithWhatItNeeds(@TempDir Path folder) {
        Case original = ImageCorpus.named("data-file").get();
        Case copy = original.copyTo(folder);
        assertThat(copy.image()).hasParent(folder);
        QemuIo.run(copy.image(), "discard 0 8M");
        assertThat(copy.dirtyRanges()).containsOnly(List.of(new Range(0, 8 << 20, true)));
        assertThat(original.dirtyRanges()).doesNotContain(List.of(new Range(0, 8 << 20, true)));
    }

    @Test
    void knowsWhatIsDirtyInTheCasesMadeByHand() {
        assertThat(ImageCorpus.named("size-64t-all-dirty").get().dirtyRanges())
                .containsExactly(List.of(new Range(0, 64L << 40, true)));
        assertThat(ImageCorpus.named("all-dirty").get().dirtyRanges())
                .containsOnly(List.of(new Range(0, 3L << 30, true)));
        assertThat(ImageCorpus.named("fragmented").get().dirtyRanges().getFirst()).hasSize(5000);
        ImageBytes tail = new ImageBytes(ImageCorpus.named("tail-bits").get().image());
        assertThat(tail.u64(tail.u64(tail.bitmapTable(0)))).isEqualTo(-1);
    }
}
