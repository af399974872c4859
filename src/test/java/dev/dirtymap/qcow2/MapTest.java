package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.LazyCase;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The map of every image of the corpus, with all that lies below it, against `qemu-img map`.
class MapTest {

    @ParameterizedTest
    @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
    void isWhatQemuTells(LazyCase lazy) throws IOException {
        Case one = lazy.get();

        try (MapChain chain = MapChain.open(one.image())) {
            chain.assertSameAsQemu();
        }
    }

    /// A page costs the tables that it covers, wherever it is: here 16 KiB of L1 table, and one L2 table.
    @Test
    void aWindowCostsWhatItCovers(@TempDir Path folder) throws IOException {
        long half = 1L << 39;
        Path image = new QemuImg(folder).create("disk.qcow2", "1T");
        QemuIo.run(image, "write 0 64k", "write %d 1M".formatted(half), "write 1023G 64k");

        try (MapChain chain = MapChain.open(image)) {
            long before = chain.files().getFirst().bytesRead();
            List<MapExtent> window = chain.scan(half, half + (2 << 20));

            assertThat(window).hasSizeBetween(2, 3);
            assertThat(window.getFirst().allocation()).isEqualTo(Allocation.DATA);
            assertThat(chain.files().getFirst().bytesRead() - before)
                    .isLessThanOrEqualTo((16 << 10) + (64 << 10));
        }
    }
}
