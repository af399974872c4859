package dev.dirtymap.qcow2;

import static java.math.BigInteger.ONE;
import static java.math.BigInteger.TWO;
import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Holds the arithmetic against numbers that cannot overflow.
class GeometryTest {

    private static final int SEED = 20261123;

    static IntStream granularities() {
        return IntStream.rangeClosed(9, 31);
    }

    @ParameterizedTest(name = "granularity 2^{0}, seed " + SEED)
    @MethodSource("granularities")
    void agreesWithExactArithmetic(int granularityBits) {
        var random = new Random(SEED + granularityBits);
        for (long virtualSize : sizes(granularityBits, random)) {
            for (int clusterBits : new int[] {9, 12, 16, 21}) {
                var geometry = new Geometry(virtualSize, granularityBits, clusterBits);
                assertSizes(geometry);
                for (long guestOffset : offsets(geometry, random)) {
                    assertMapping(geometry, guestOffset);
                }
            }
        }
    }

    private static void assertSizes(Geometry geometry) {
        BigInteger granularity = TWO.pow(geometry.granularityBits());
        BigInteger cluster = TWO.pow(geometry.clusterBits());
        BigInteger bits = ceil(BigInteger.valueOf(geometry.virtualSize()), granularity);
        BigInteger bytes = ceil(bits, BigInteger.valueOf(8));
        assertThat(geometry.granularity()).isEqualTo(granularity.longValueExact());
        assertThat(geometry.bits()).isEqualTo(bits.longValueExact());
        assertThat(geometry.bytes()).isEqualTo(bytes.longValueExact());
        assertThat(geometry.tableSize()).isEqualTo(ceil(bytes, cluster).longValueExact());
        assertThat(geometry.bitsPerCluster())
                .isEqualTo(cluster.multiply(BigInteger.valueOf(8)).longValueExact());
    }

    private static void assertMapping(Geometry geometry, long guestOffset) {
        BigInteger granularity = TWO.pow(geometry.granularityBits());
        BigInteger exact = BigInteger.valueOf(guestOffset);
        long bit = geometry.bitOf(guestOffset);
        assertThat(bit).isEqualTo(exact.divide(granularity).longValueExact());
        assertThat(geometry.firstBitFrom(guestOffset))
                .isEqualTo(ceil(exact, granularity).longValueExact());
        BigInteger start = BigInteger.valueOf(bit).multiply(granularity);
        BigInteger end = start.add(granularity);
        BigInteger size = BigInteger.valueOf(geometry.virtualSize());
        assertThat(geometry.guestOffset(bit)).isEqualTo(start.min(size).longValueExact());
        assertThat(geometry.guestOffset(bit + 1)).isEqualTo(end.min(size).longValueExact());
    }

    private static BigInteger ceil(BigInteger dividend, BigInteger divisor) {
        return dividend.add(divisor).subtract(ONE).divide(divisor);
    }

    private static Iterable<Long> sizes(int granularityBits, Random random) {
        List<Long> sizes = new ArrayList<>(List.of(0L, 512L, 1L << 61, (1L << 61) - 512));
        sizes.add(1L << 62);
        sizes.add((1L << 62) + 512);
        sizes.add(Long.MAX_VALUE & -512L);
        for (int bits = granularityBits; bits < 62; bits += 7) {
            sizes.add(1L << bits);
            sizes.add((1L << bits) + 512);
            sizes.add((1L << bits) - 512 & -512L);
            sizes.add(random.nextLong(1L << bits) & -512L);
        }
        return new TreeSet<>(sizes);
    }

    /// Offsets on the disk, around the first and the last granule and anywhere.
    private static Iterable<Long> offsets(Geometry geometry, Random random) {
        var offsets = new TreeSet<Long>();
        long size = geometry.virtualSize();
        Stream.of(
                        0L,
                        1L,
                        geometry.granularity() - 1,
                        geometry.granularity(),
                        geometry.granularity() + 1,
                        size - geometry.granularity(),
                        size - geometry.granularity() + 1,
                        size - 513,
                        size - 512,
                        size - 1,
                        random.nextLong(size + 1))
                .filter(offset -> offset >= 0 && offset < size)
                .forEach(offsets::add);
        return offsets;
    }

    @ParameterizedTest
    @CsvSource({
        // size, granularity, cluster, bits, bytes, table entries (as QEMU makes them)
        "0, 16, 16, 0, 0, 0",
        "512, 9, 9, 1, 1, 1",
        "512, 31, 21, 1, 1, 1",
        "1048576, 16, 16, 16, 2, 1",
        "1049088, 16, 16, 17, 3, 1",
        "2147483648, 9, 9, 4194304, 524288, 1024",
        "2147484160, 9, 9, 4194305, 524289, 1025",
        "2199023255552, 9, 16, 4294967296, 536870912, 8192",
    })
    void countsBitsBytesAndTableEntries(
            long size, int granularityBits, int clusterBits, long bits, long bytes, long entries) {
        var geometry = new Geometry(size, granularityBits, clusterBits);

        assertThat(geometry.bits()).isEqualTo(bits);
        assertThat(geometry.bytes()).isEqualTo(bytes);
        assertThat(geometry.tableSize()).isEqualTo(entries);
    }

    @Test
    void theLastGranuleEndsWithTheDisk() {
        var geometry = new Geometry(65536 + 1536, 16, 16);

        assertThat(geometry.bits()).isEqualTo(2);
        assertThat(geometry.guestOffset(1)).isEqualTo(65536);
        assertThat(geometry.guestOffset(2)).isEqualTo(65536 + 1536);
        assertThat(geometry.firstBitFrom(65536 + 1536)).isEqualTo(2);
        assertThat(geometry.bitOf(65536 + 1535)).isEqualTo(1);
    }

    /// Granularities that the format allows and nobody supports must not break what is shown of them.
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 8, 32, 61, 62, 63})
    void survivesGranularitiesThatNobodySupports(int granularityBits) {
        for (long size : new long[] {0, 512, 1L << 40, 1L << 61}) {
            var geometry = new Geometry(size, granularityBits, 9);
            BigInteger bits = ceil(BigInteger.valueOf(size), TWO.pow(granularityBits));

            assertThat(geometry.bits()).isEqualTo(bits.longValueExact());
            assertThat(geometry.tableSize()).isNotNegative();
            assertThat(geometry.guestOffset(geometry.bits())).isEqualTo(size);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "9, false, 64, 8, 32768, 512",
        "16, false, 8192, 8, 536870912, 65536",
        "21, false, 262144, 8, 549755813888, 2097152",
        "14, true, 1024, 16, 16777216, 512",
        "16, true, 4096, 16, 268435456, 2048",
        "21, true, 131072, 16, 274877906944, 65536",
    })
    void splitsGuestOffsets(
            int clusterBits,
            boolean extended,
            int l2Entries,
            int entrySize,
            long perL1,
            int subcluster) {
        var addressing = new Addressing(clusterBits, extended);

        assertThat(addressing.l2Entries()).isEqualTo(l2Entries);
        assertThat(addressing.l2EntrySize()).isEqualTo(entrySize);
        assertThat(addressing.bytesPerL1Entry()).isEqualTo(perL1);
        assertThat(addressing.subclusterSize()).isEqualTo(subcluster);
        long offset = 3 * perL1 + 5L * (1L << clusterBits) + 7;
        assertThat(addressing.l1Index(offset)).isEqualTo(3);
        assertThat(addressing.l2Index(offset)).isEqualTo(5);
        assertThat(addressing.l1EntriesFor(0)).isZero();
        assertThat(addressing.l1EntriesFor(1)).isEqualTo(1);
        assertThat(addressing.l1EntriesFor(perL1)).isEqualTo(1);
        assertThat(addressing.l1EntriesFor(perL1 + 1)).isEqualTo(2);
        assertThat(addressing.l1EntriesFor(Long.MAX_VALUE))
                .isEqualTo(
                        ceil(BigInteger.valueOf(Long.MAX_VALUE), BigInteger.valueOf(perL1))
                                .longValueExact());
    }
}
