package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.Changes.Operations;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.NbdMap;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Images whose refcounts are wrong, or whose bitmaps point at what belongs to others (`qcow2.md` 7): nothing
/// that is still referred to is overwritten, given back or punched.
class SharedClustersTest {

    private static final int CLUSTER = 64 << 10;

    @TempDir private Path folder;

    private Path image;
    private ImageBytes bytes;

    /// Two bitmaps with content, guest data with a pattern.
    @BeforeEach
    void create() {
        QemuImg qemu = new QemuImg(folder);
        image = qemu.create("a.qcow2", "4G");
        bytes = new ImageBytes(image);
        for (String name : List.of("a", "b")) {
            qemu.bitmapAdd("a.qcow2", name, 4096, true);
        }
        QemuIo.run(image, "write -P 0x5a 0 256k", "write -P 0x3c 2G 64k");
        qemu.bitmapDisable("a.qcow2", "a");
        qemu.bitmapDisable("a.qcow2", "b");
    }

    private static byte[] name(String text) {
        return text.getBytes(UTF_8);
    }

    private long l2Table() {
        return bytes.u64(bytes.u64(40)) & 0xfffffffffffe00L;
    }

    private long guestData() {
        return bytes.u64(l2Table()) & 0xfffffffffffe00L;
    }

    private long refcountBlock() {
        return bytes.u64(bytes.u64(48));
    }

    /// Where the data entry of the bits of the first 2 GiB is.
    private long dataEntry(int bitmap) {
        return bytes.bitmapTable(bitmap);
    }

    private long refcountAt(long hostOffset) {
        return refcountBlock() + hostOffset / CLUSTER * 2;
    }

    private void requireGuestData() {
        // The pattern is compared by qemu-io, which says so when it differs.
        assertThat(
                        Programs.run(
                                        folder,
                                        "qemu-io",
                                        "-r",
                                        "-U",
                                        "-c",
                                        "read -P 0x5a 0 256k",
                                        "-c",
                                        "read -P 0x3c 2G 64k",
                                        "a.qcow2")
                                .stdout())
                .doesNotContain("failed");
    }

    private static final Map<String, Operations> LEAVING =
            Map.of(
                    "delete", draft -> draft.delete(name("a")),
                    "clear", draft -> draft.clear(name("a"), null),
                    "mark",
                            draft ->
                                    draft.mark(
                                            name("a"),
                                            List.of(new Extent(0, 1L << 32, true)),
                                            true,
                                            null),
                    "delete all", draft -> draft.deleteAll(_ -> true));

    private static Stream<Arguments> leaving() {
        return LEAVING.keySet().stream()
                .sorted()
                .flatMap(what ->
                        Stream.of("guest data", "L2 table", "refcount block", "L1 table", "header")
                                .flatMap(target ->
                                        Stream.of(1, 2)
                                                .map(count -> Arguments.of(what, target, count))));
    }

    @ParameterizedTest
    @MethodSource("leaving")
    void whatIsNotABitmapsOwnIsNotGivenBack(String what, String target, int refcount)
            throws Exception {
        long at =
                switch (target) {
                    case "guest data" -> guestData();
                    case "L2 table" -> l2Table();
                    case "refcount block" -> refcountBlock();
                    case "L1 table" -> bytes.u64(40);
                    default -> 0;
                };
        byte[] before = bytes.read(at, CLUSTER);
        if (at == 0) {
            // Offset 0 means no cluster, so the header's cannot be named; the flag alone is legal.
            bytes.u64(dataEntry(0), 1);
        } else {
            bytes.u64(dataEntry(0), at);
            bytes.u16(refcountAt(at), refcount);
        }
        List<Extent> other = dirty("b");
        Changes.change(image, Objects.requireNonNull(LEAVING.get(what)));
        if (target.equals("refcount block")) {
            assertThat(bytes.u64(bytes.u64(48))).isEqualTo(at);
        } else if (!target.equals("header")) {
            assertThat(bytes.read(at, CLUSTER)).isEqualTo(before);
        }
        assertThat(at == 0 ? 1 : bytes.u16(refcountAt(at))).isPositive();
        requireGuestData();
        if (!what.equals("delete all")) {
            assertThat(dirty("b")).isEqualTo(other);
        }
        // Our own check counts the same: what it calls leaked or corrupt is that one cluster.
        assertThat(new QemuImg(folder).opens("a.qcow2").opens()).isTrue();
        QemuIo.run(image, "write -P 0x77 3G 64k");
        requireGuestData();
    }

    private List<Extent> dirty(String bitmap) {
        return NbdMap.dirty(image, bitmap).stream()
                .map(range -> new Extent(range.offset(), range.length(), true))
                .toList();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void bitmapsThatShareAClusterLoseItOnlyTogether(int refcount) throws Exception {
        long shared = bytes.u64(dataEntry(1));
        bytes.u64(dataEntry(0), shared);
        bytes.u16(refcountAt(shared), refcount);
        List<Extent> other = dirty("b");
        assertThat(other).isNotEmpty();
        Changes.change(image, draft -> draft.clear(name("a"), null));
        assertThat(dirty("a")).isEmpty();
        assertThat(dirty("b")).isEqualTo(other);
        assertThat(bytes.u16(refcountAt(shared))).isEqualTo(refcount);
        Changes.change(image, draft -> draft.delete(name("a")));
        assertThat(dirty("b")).isEqualTo(other);
        requireGuestData();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void bitmapsThatShareATableLoseItOnlyTogether(int refcount) throws Exception {
        long table = bytes.bitmapTable(1);
        bytes.u64(bytes.directoryEntry(0), table);
        bytes.u16(refcountAt(table), refcount);
        List<Extent> other = dirty("b");
        Changes.change(image, draft -> draft.delete(name("a")));
        assertThat(dirty("b")).isEqualTo(other);
        requireGuestData();
    }

    /// A cluster in use whose refcount says that it is free: taking it would overwrite guest data.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "guest data",
                "L2 table",
                "refcount block",
                "L1 table",
                "refcount table",
                "header",
                "table of b",
                "data of b",
                "directory"
            })
    void aClusterInUseIsNotTakenWhateverItsRefcount(String what) throws Exception {
        long at =
                switch (what) {
                    case "guest data" -> guestData();
                    case "L2 table" -> l2Table();
                    case "refcount block" -> refcountBlock();
                    case "L1 table" -> bytes.u64(40);
                    case "refcount table" -> bytes.u64(48);
                    case "table of b" -> bytes.bitmapTable(1);
                    case "data of b" -> bytes.u64(dataEntry(1));
                    case "directory" -> bytes.directoryOffset();
                    default -> 0;
                };
        bytes.u16(refcountAt(at), 0);
        byte[] before = Files.readAllBytes(image);
        // Enough that a free cluster is not found in front of that one.
        assertThatThrownBy(() ->
                        Changes.change(
                                image,
                                draft -> {
                                    for (int i = 0; i < 30; i++) {
                                        draft.create(name("new" + i), null, true, null);
                                    }
                                }))
                .isInstanceOfSatisfying(
                        ChangeRefusedException.class,
                        refused ->
                                assertThat(refused.kind())
                                        .isEqualTo(ChangeRefusedException.Kind.IMAGE_CORRUPT))
                .hasMessageContaining("file offset %d has refcount 0 but is in use", at);
        assertThat(Files.readAllBytes(image)).isEqualTo(before);
    }

    /// A program has set a refcount too high: nothing is given back, and nothing else happens.
    @Test
    void aClusterWhoseRefcountIsTooHighIsLeftAlone() throws IOException, ChangeRefusedException {
        long data = bytes.u64(dataEntry(0));
        bytes.u16(refcountAt(data), 7);
        Changes.change(image, draft -> draft.delete(name("a")));
        assertThat(bytes.u16(refcountAt(data))).isEqualTo(7);
        QemuImg.CheckResult check = new QemuImg(folder).check("a.qcow2");
        assertThat(check.exitCode()).as(check.text()).isEqualTo(3);
    }
}
