package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Bitmaps that a program without knowledge of them made void: they can be dropped, and nothing else is touched.
class OrphanedTest {

    @TempDir private Path folder;

    private Path image;
    private ImageBytes bytes;

    private static byte[] name(String text) {
        return text.getBytes(UTF_8);
    }

    @BeforeEach
    void orphan() {
        image = folder.resolve("image.qcow2");
        bytes = new RuleImages(folder).copy(Base.PLAIN, "image.qcow2");
        bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
    }

    private List<String> names() throws Exception {
        List<String> names = new ArrayList<>();
        try (FileChannel channel = FileChannel.open(image)) {
            BitmapDirectory bitmaps =
                    Image.open(ImageFile.of(channel), false).orElseThrow().bitmaps();
            assertThat(bitmaps.reason()).isNull();
            for (int i = 0; i < bitmaps.count(); i++) {
                names.add(new String(bitmaps.name(i), UTF_8));
                assertThat(bitmaps.get(i).state()).isEqualTo(BitmapState.ORPHANED);
            }
        }
        return names;
    }

    @Test
    void oneAfterTheOtherCanBeDropped() throws Exception {
        byte[] refcounts = bytes.read(bytes.u64(bytes.u64(48)), 65536);
        Changes.change(image, draft -> draft.delete(name("b")));
        assertThat(names()).containsExactly("a", "c");
        Changes.change(image, draft -> draft.delete(name("a")));
        assertThat(names()).containsExactly("c");
        Changes.change(image, draft -> draft.delete(name("c")));
        assertThat(names()).isEmpty();
        assertThat(bytes.hasBitmaps()).isFalse();
        assertThat(bytes.u64(ImageBytes.AUTOCLEAR_FEATURES)).isZero();
        assertThat(bytes.read(bytes.u64(bytes.u64(48)), 65536)).isEqualTo(refcounts);
        assertThat(new QemuImg(folder).check("image.qcow2").exitCode()).isEqualTo(3);
        QemuIo.run(image, "write 0 4k");
    }

    @Test
    void allCanBeDroppedAtOnce() throws Exception {
        Changes.change(image, draft -> draft.deleteAll(state -> state == BitmapState.ORPHANED));
        assertThat(names()).isEmpty();
        assertThat(bytes.hasBitmaps()).isFalse();
    }

    @Test
    void noOtherChangeIsMade() throws Exception {
        byte[] before = Files.readAllBytes(image);
        for (Changes.Operations operation :
                List.<Changes.Operations>of(
                        draft -> draft.create(name("new"), null, true, null),
                        draft -> draft.clear(name("a"), null),
                        draft -> draft.enable(name("a"), false),
                        draft -> draft.rename(name("a"), name("z")),
                        draft -> draft.refer(name("a"), null),
                        draft -> draft.merge(name("a"), draft, name("b")),
                        draft -> draft.copy(draft, name("a"), name("z"), null, null, null))) {
            assertThatThrownBy(() -> Changes.change(image, operation))
                    .isInstanceOfSatisfying(
                            ChangeRefusedException.class,
                            e -> assertThat(e.kind()).isEqualTo(Kind.ORPHANED));
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(before);
    }

    /// The program that made them void has put guest data where the directory is.
    @Test
    void whatIsGuestDataNowIsNotWrittenTo() throws Exception {
        long l2 = bytes.u64(bytes.u64(40)) & 0xfffffffffffe00L;
        bytes.u64(l2 + 8 * 5, bytes.directoryOffset() | 1L << 63);
        byte[] before = Files.readAllBytes(image);
        assertThatThrownBy(() -> Changes.change(image, draft -> draft.delete(name("b"))))
                .isInstanceOfSatisfying(
                        ChangeRefusedException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.IMAGE_CORRUPT));
        assertThat(Files.readAllBytes(image)).isEqualTo(before);
        Changes.change(image, draft -> draft.deleteAll(_ -> true));
        assertThat(names()).isEmpty();
    }

    /// Where the directory cannot be followed there is nothing to name: a repair gives all up.
    @Test
    void aTornDirectoryIsGivenUpAsAWhole() throws Exception {
        byte[] refcounts = bytes.read(bytes.u64(bytes.u64(48)), 65536);
        bytes.u32(bytes.directoryOffset() + 20, -1);
        assertThatThrownBy(() -> Changes.change(image, draft -> draft.delete(name("b"))))
                .isInstanceOfSatisfying(
                        ChangeRefusedException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.DIRECTORY_BROKEN));
        try (FileChannel channel =
                FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ImageFile file = ImageFile.of(channel);
            Image open = Image.open(file, false).orElseThrow();
            assertThat(Repair.bitmaps(open, file, false, false))
                    .singleElement()
                    .isInstanceOf(RepairAction.DropAllBitmaps.class);
        }
        assertThat(names()).isEmpty();
        assertThat(bytes.hasBitmaps()).isFalse();
        assertThat(bytes.read(bytes.u64(bytes.u64(48)), 65536)).isEqualTo(refcounts);
        QemuIo.run(image, "write 0 4k");
    }

    /// The same in a version 2 image, as `qemu-img amend` leaves it.
    @Test
    void versionTwoToo() throws Exception {
        QemuImg qemu = new QemuImg(folder);
        Path old = qemu.create("old.qcow2", "1M");
        qemu.bitmapAdd("old.qcow2", "a", 65536, true);
        qemu.bitmapAdd("old.qcow2", "b", 65536, true);
        qemu.run("amend", "-f", "qcow2", "-o", "compat=0.10", "old.qcow2");
        image = old;
        bytes = new ImageBytes(old);
        assertThat(names()).containsExactly("a", "b");
        Changes.change(image, draft -> draft.delete(name("a")));
        assertThat(names()).containsExactly("b");
        Changes.change(image, draft -> draft.delete(name("b")));
        assertThat(names()).isEmpty();
        assertThat(qemu.check("old.qcow2").exitCode()).isEqualTo(3);
        QemuIo.run(old, "write 0 4k");
    }
}
