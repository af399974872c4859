package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.NbdMap;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Each operation on real images, judged by QEMU.
class CommitTest {

    @TempDir private Path folder;

    private static byte[] name(String text) {
        return text.getBytes(UTF_8);
    }

    @ParameterizedTest
    @CsvSource({
        "512, 1, 1M",
        "512, 64, 3M",
        "1024, 2, 10M",
        "4096, 16, 1G",
        "65536, 16, 100G",
        "65536, 64, 1G",
        "2097152, 16, 10G",
    })
    void everyOperationIsWhatQemuWouldDo(int cluster, int refcountBits, String size)
            throws Exception {
        QemuImg qemu = new QemuImg(folder);
        Path image =
                qemu.create(
                        "a.qcow2",
                        size,
                        "cluster_size=" + cluster,
                        "refcount_bits=" + refcountBits);
        QemuIo.run(image, "write 0 128k", "write 512k 64k");
        Changes.change(
                image,
                draft -> {
                    draft.create(name("one"), null, true, null);
                    draft.create(
                            name("fine"),
                            512L,
                            false,
                            new ReferencePoint("/backup/1", null, "n", Instant.EPOCH));
                });
        check(qemu);
        assertThat(qemu.info("a.qcow2").toString()).contains("\"one\"", "\"fine\"");
        QemuIo.run(image, "write 64k 512", "write 700k 1k", "discard 512k 64k");
        check(qemu);
        Changes.change(image, draft -> draft.merge(name("fine"), draft, name("one")));
        check(qemu);
        assertThat(NbdMap.dirty(image, "fine")).isEqualTo(NbdMap.dirty(image, "one"));
        Changes.change(
                image,
                draft ->
                        draft.mark(
                                name("one"),
                                List.of(
                                        new Extent(100, 5, true),
                                        new Extent(900 << 10, 4096, true)),
                                true,
                                null));
        check(qemu);
        Changes.change(
                image,
                draft -> draft.copy(draft, name("one"), name("coarse"), 1L << 20, null, null));
        check(qemu);
        Changes.change(
                image,
                draft -> {
                    draft.clear(name("one"), null);
                    draft.rename(name("fine"), name("renamed"));
                    draft.enable(name("coarse"), false);
                });
        check(qemu);
        assertThat(NbdMap.dirty(image, "one")).isEmpty();
        Changes.change(image, draft -> draft.delete(name("one")));
        check(qemu);
        Changes.change(image, draft -> draft.deleteAll(_ -> true));
        check(qemu);
        assertThat(qemu.info("a.qcow2").toString()).doesNotContain("bitmaps");
    }

    @Test
    void operationsThatComeToNothingWriteNothing() throws Exception {
        Path image = new QemuImg(folder).create("a.qcow2", "1M");
        byte[] without = Files.readAllBytes(image);
        Changes.change(
                image,
                draft -> {
                    draft.create(name("short-lived"), null, true, null);
                    draft.delete(name("short-lived"));
                });
        assertThat(Files.readAllBytes(image)).isEqualTo(without);
        Changes.change(image, draft -> draft.create(name("one"), null, true, null));
        byte[] with = Files.readAllBytes(image);
        Changes.change(image, draft -> draft.refer(name("one"), null));
        assertThat(Files.readAllBytes(image)).isEqualTo(with);
    }

    private void check(QemuImg qemu) {
        QemuImg.CheckResult result = qemu.check("a.qcow2");
        assertThat(result.exitCode()).as(result.text()).isZero();
    }
}
