package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BitmapSpecTest {

    @ParameterizedTest
    @CsvSource({
        "daily,daily",
        "a.b_c:d-e,a.b_c:d-e",
        "a/b~,a~2Fb~7E",
        ".,~2E",
        "...,~2E..",
        ".a,.a",
        "\u00e9,~E9"
    })
    void encodesItsNameAsPathsDo(String latin1, String id) {
        BitmapSpec spec = BitmapSpec.of(latin1.getBytes(ISO_8859_1), 512, true);
        assertThat(spec.id()).isEqualTo(id);
        assertThat(spec.name()).isEqualTo(latin1.getBytes(ISO_8859_1));
    }
}
