package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.LazyCase;
import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The map of every image of the corpus, with all that lies below it, against `qemu-img map`.
class MapTest {

    @ParameterizedTest
    @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
    void isWhatQemuTells(LazyCase lazy) throws IOException {
        Case one = lazy.get();

        try (MapChain chain = MapChain.open(one.image())) {
            assertThat(MapChain.rows(chain.scan())).isEqualTo(chain.rowsOfQemu());
        }
    }
}
