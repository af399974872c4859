package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TableEntryTest {

    @Test
    void zeroIsZeros() throws FormatException {
        assertThat(TableEntry.parse(0, 16, 0)).isEqualTo(new TableEntry.Zeros());
    }

    @Test
    void oneIsOnes() throws FormatException {
        assertThat(TableEntry.parse(1, 16, 0)).isEqualTo(new TableEntry.Ones());
    }

    @ParameterizedTest
    @CsvSource({
        "9, 200",
        "9, fffffffffffe00",
        "16, 10000",
        "16, 80000000000000",
        "16, ffffffffff0000",
        "21, 200000",
        "21, ffffffffe00000",
    })
    void anOffsetOfAClusterIsData(int clusterBits, String raw) throws FormatException {
        long offset = Long.parseUnsignedLong(raw, 16);

        assertThat(TableEntry.parse(offset, clusterBits, 0)).isEqualTo(new TableEntry.Data(offset));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 56, 57, 58, 59, 60, 61, 62, 63})
    void refusesEachReservedBit(int bit) {
        for (long rest : new long[] {0, 1, 0x10000}) {
            long raw = 1L << bit | rest;
            assertThatThrownBy(() -> TableEntry.parse(raw, 16, 4096))
                    .isInstanceOf(FormatException.class)
                    .hasMessage(
                            "bitmap table entry: reserved bits (1 to 8, 56 to 63) at file offset 4096 is 0x%x; it must be 0",
                            raw);
        }
    }

    @ParameterizedTest
    @CsvSource({"16, 200", "16, 8000", "16, 18000", "10, 200", "21, 100000", "21, 80000000100000"})
    void refusesAnOffsetWithinACluster(int clusterBits, String raw) {
        assertThatThrownBy(() ->
                        TableEntry.parse(Long.parseUnsignedLong(raw, 16), clusterBits, 1L << 62))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "bitmap table entry: offset at file offset 4611686018427387904 is 0x%s; it must be a multiple of the cluster size",
                        raw);
    }

    @Test
    void refusesAllOnesNextToAnOffset() {
        assertThatThrownBy(() -> TableEntry.parse(0x10001, 16, 8))
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        "bitmap table entry: bit 0 (all ones) at file offset 8 is 0x10001; it must be 0 when there is an offset");
    }
}
