package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Damaged L1 and L2 tables: where `qemu-img map` fails so do we, with the reason, and else the maps are equal.
class MapDamageTest {

    private static final long OFFSET = 0x00fffffffffffe00L;
    private static final long L2 = 8;

    @TempDir private Path folder;

    /// What is broken in an image whose guest has written its first 64 KiB and whose L2 table is known.
    @FunctionalInterface
    interface Damage {
        void inflict(ImageBytes bytes, long l1, long l2);
    }

    record Broken(Rule rule, String options, String sentence, Damage damage) {
        @Override
        public String toString() {
            return rule.toString();
        }
    }

    record Odd(String name, String options, Damage damage) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static final List<Broken> BROKEN =
            List.of(
                    new Broken(
                            Rule.L2_TABLE_OFFSET,
                            "compat=1.1",
                            "L1 entry: offset at file offset .* is 0x8000000000040200; it must be a multiple of the cluster size",
                            (bytes, l1, _) -> bytes.u64(l1, bytes.u64(l1) | 512)),
                    new Broken(
                            Rule.CLUSTER_OFFSET,
                            "compat=1.1",
                            "L2 entry: offset at file offset .* is 0x8000000000050200; it must be a multiple of the cluster size",
                            (bytes, _, l2) -> bytes.u64(l2, bytes.u64(l2) | 512)),
                    new Broken(
                            Rule.CLUSTER_OFFSET_IN_DATA_FILE,
                            "data_file=disk.data",
                            "L2 entry: offset at file offset .* is 0x8000000000020000; it must be equal to the guest offset with an external data file",
                            (bytes, _, l2) -> bytes.u64(l2, 1L << 63 | 2 << 16)),
                    new Broken(
                            Rule.ZERO_CLUSTER_IN_VERSION_2,
                            "compat=0.10",
                            "L2 entry: bit 0 .* is 0x1; it must be 0 in version 2",
                            (bytes, _, l2) -> bytes.u64(l2 + 5 * L2, 1)),
                    new Broken(
                            Rule.COMPRESSED_WITH_DATA_FILE,
                            "data_file=disk.data",
                            "L2 entry: bit 62 .* is 0x4000000000050000; it must be 0 with an external data file",
                            (bytes, _, l2) -> bytes.u64(l2 + 5 * L2, 1L << 62 | 0x50000)),
                    new Broken(
                            Rule.SUBCLUSTERS_BOTH,
                            "extended_l2=on",
                            "extended L2 entry: subclusters at .* is 0x1ffffffff; it must be either allocated .*",
                            (bytes, _, l2) -> bytes.u64(l2 + L2, 0x1ffffffffL)),
                    new Broken(
                            Rule.SUBCLUSTERS_UNALLOCATED,
                            "extended_l2=on",
                            "extended L2 entry: allocated subclusters .* is 0x80; it must be 0 where .*",
                            (bytes, _, l2) -> bytes.u64(l2 + 10 * 16 + 8, 0x80)));

    private static final List<Odd> ODD =
            List.of(
                    new Odd(
                            "reserved bits of an L1 entry",
                            "compat=1.1",
                            (bytes, l1, _) -> bytes.u64(l1, bytes.u64(l1) | 0x7f000000000001ffL)),
                    new Odd(
                            "reserved bits of an L2 entry",
                            "compat=1.1",
                            (bytes, _, l2) -> bytes.u64(l2, bytes.u64(l2) | 0x3f000000000001feL)),
                    new Odd(
                            "an L2 table behind the end of the file",
                            "compat=1.1",
                            (bytes, l1, _) -> bytes.u64(l1, 1L << 50)),
                    new Odd(
                            "an L2 table that is the header",
                            "cluster_size=512",
                            (bytes, l1, _) -> bytes.u64(l1, 1024)),
                    new Odd(
                            "one L2 table for two ranges",
                            "cluster_size=512",
                            (bytes, l1, _) -> bytes.u64(l1 + 8, bytes.u64(l1))),
                    new Odd(
                            "data behind the end of the file",
                            "compat=1.1",
                            (bytes, _, l2) -> bytes.u64(l2, 1L << 50)),
                    new Odd(
                            "compressed data behind the end of the file",
                            "compat=1.1",
                            (bytes, _, l2) -> bytes.u64(l2, 0x7fffffffffffffffL)),
                    new Odd(
                            "a compressed cluster with subclusters",
                            "extended_l2=on",
                            (bytes, _, l2) -> bytes.u64(l2, 1L << 62 | 0x50000)),
                    new Odd(
                            "an entry that reads as zeros among extended ones",
                            "extended_l2=on",
                            (bytes, _, l2) -> bytes.u64(l2, bytes.u64(l2) | 1)),
                    new Odd(
                            "no L1 table but zeros behind the end of the file",
                            "compat=1.1",
                            (bytes, _, _) -> bytes.u64(40, 1L << 50)),
                    new Odd(
                            "no refcounts",
                            "compat=1.1",
                            (bytes, _, _) -> bytes.u64(bytes.u64(48), 0)));

    static Stream<Broken> broken() {
        return BROKEN.stream();
    }

    static Stream<Odd> odd() {
        return ODD.stream();
    }

    @ParameterizedTest
    @MethodSource("broken")
    void whatQemuGivesUpOnIsRefusedWithTheReason(Broken broken) throws IOException {
        inflict(broken.options(), broken.damage());

        assertThat(broken.rule().effect()).isEqualTo(Rule.Effect.UNMAPPABLE);
        assertThat(new QemuImg(folder).opens("disk.qcow2").opens()).isTrue();
        assertThat(new QemuImg(folder).tryMap("disk.qcow2").exitCode()).isEqualTo(1);
        try (MapChain chain = MapChain.open(folder.resolve("disk.qcow2"))) {
            assertThatThrownBy(chain::scan)
                    .isInstanceOfSatisfying(
                            FormatException.class,
                            e -> assertThat(e.violation().rule()).isEqualTo(broken.rule()))
                    .hasMessageMatching(broken.sentence());
        }
    }

    @Test
    void everyRuleIsBroken() {
        assertThat(BROKEN.stream().map(Broken::rule))
                .containsExactlyInAnyOrderElementsOf(
                        Arrays.stream(Rule.values())
                                .filter(rule -> rule.effect() == Rule.Effect.UNMAPPABLE)
                                .toList());
    }

    @ParameterizedTest
    @MethodSource("odd")
    void whatQemuPutsUpWithIsMappedTheSame(Odd odd) throws IOException {
        inflict(odd.options(), odd.damage());

        try (MapChain chain = MapChain.open(folder.resolve("disk.qcow2"))) {
            chain.assertSameAsQemu();
        }
    }

    /// Bits that flip anywhere in the entries that are in use.
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    void flippedBits(long seed) throws IOException {
        Random random = new Random(seed);
        List<String> kinds =
                List.of("compat=1.1", "compat=0.10", "extended_l2=on", "data_file=disk.data");
        inflict(
                kinds.get(random.nextInt(kinds.size())),
                (bytes, l1, l2) -> {
                    for (int i = 0; i < 1 + seed / 5; i++) {
                        long at = random.nextInt(8) == 0 ? l1 : l2 + random.nextInt(16) * L2;
                        bytes.u64(at, bytes.u64(at) ^ 1L << random.nextInt(64));
                    }
                });

        try (MapChain chain = MapChain.open(folder.resolve("disk.qcow2"))) {
            if (new QemuImg(folder).tryMap("disk.qcow2").exitCode() == 0) {
                chain.assertSameAsQemu();
            } else {
                assertThatThrownBy(chain::scan).isInstanceOf(FormatException.class);
            }
        }
    }

    private void inflict(String options, Damage damage) {
        Path image = new QemuImg(folder).create("disk.qcow2", "4M", options);
        QemuIo.run(image, "write 0 200k", "write 500k 64k", "discard 64k 64k");
        ImageBytes bytes = new ImageBytes(image);
        long l1 = bytes.u64(40);
        damage.inflict(bytes, l1, bytes.u64(l1) & OFFSET);
    }
}
