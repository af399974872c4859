package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Reference points stay in the image whatever QEMU does to it, and are in the way of nothing that it does, even
/// when the header has no room for one more.
class ReferencePointsInQemuTest {

    private static final String IMAGE = "image.qcow2";
    private static final String BASE = "base.qcow2";
    private static final String OTHER_BASE = "bas2.qcow2";
    private static final int BITMAPS = 7;
    private static final int LONGEST_NAME = 1023;

    @TempDir private Path folder;

    /// Something that makes QEMU write the header anew.
    enum Tool {
        BITMAP_ADD(qemu -> qemu.bitmapAdd(IMAGE, "new", 65536, true)),
        BITMAP_REMOVE(qemu -> qemu.bitmapRemove(IMAGE, "new")),
        BITMAP_DISABLE(qemu -> qemu.bitmapDisable(IMAGE, "b0")),
        RESIZE(qemu -> run(qemu, "resize", IMAGE, "+1M")),
        SNAPSHOT_CREATE(qemu -> run(qemu, "snapshot", "-c", "s1", IMAGE)),
        SNAPSHOT_DELETE(qemu -> run(qemu, "snapshot", "-d", "s1", IMAGE)),
        AMEND_LAZY_REFCOUNTS(qemu -> run(qemu, "amend", "-o", "lazy_refcounts=on", IMAGE)),
        AMEND_REFCOUNTS(qemu -> run(qemu, "amend", "-o", "refcount_bits=32", IMAGE)),
        REBASE_UNSAFE(qemu -> run(qemu, "rebase", "-u", "-b", OTHER_BASE, "-F", "qcow2", IMAGE)),
        REBASE(qemu -> run(qemu, "rebase", "-b", BASE, "-F", "qcow2", IMAGE)),
        WRITE(qemu -> QemuIo.run(qemu.folder().resolve(IMAGE), "write 100k 200k")),
        DAEMON(qemu -> {
            try (StorageDaemon daemon = StorageDaemon.start(qemu.folder())) {
                daemon.open("node", IMAGE, false);
                daemon.closeNode("node");
            }
        }),
        CHECK_AND_REPAIR(qemu -> assertThat(qemu.checkRepairing(IMAGE, "all").exitCode()).isZero()),
        COMMIT(qemu -> run(qemu, "commit", IMAGE)),
        REBASE_TO_NONE(qemu -> run(qemu, "rebase", "-u", "-b", "", IMAGE));

        /// A lambda that captures nothing.
        @SuppressWarnings("ImmutableEnumChecker")
        private final Use use;

        Tool(Use use) {
            this.use = use;
        }
    }

    private interface Use {
        void of(QemuImg qemu);
    }

    private static void run(QemuImg qemu, String... words) {
        ProgramResult result = qemu.run(words);
        assertThat(result.stderr()).as(String.join(" ", words)).isEmpty();
    }

    private static Stream<Arguments> headers() {
        return Stream.of(512, 1024, 2048, 4096, 65536)
                .flatMap(
                        cluster -> Stream.of(false, true).map(full -> Arguments.of(cluster, full)));
    }

    @ParameterizedTest(name = "cluster {0}, full {1}")
    @MethodSource("headers")
    void everyToolKeepsThem(int cluster, boolean full) throws Exception {
        QemuImg qemu = create(cluster);
        if (full) {
            fill();
        } else {
            set("b0", "/b");
        }
        Map<String, ReferencePoint> points = points();
        assertThat(points).isNotEmpty();
        List<String> bitmaps = bitmaps();
        for (Tool tool : Tool.values()) {
            tool.use.of(qemu);
            assertThat(points()).as("%s", tool).isEqualTo(points);
            assertThat(bitmaps()).as("%s", tool).containsAll(bitmaps);
            assertThat(qemu.info(IMAGE).at("/format-specific/data/bitmaps").size())
                    .as("%s", tool)
                    .isEqualTo(bitmaps().size());
            qemu.assertClean(IMAGE);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2048, 4096, 65536})
    void theLongestBackingNameFitsBesideThem(int cluster) throws Exception {
        QemuImg qemu = create(cluster);
        fill();
        Map<String, ReferencePoint> points = points();
        // The name must lead somewhere, since QEMU opens it.
        String longest =
                "./".repeat((LONGEST_NAME - BASE.length()) / 2)
                        + (BASE.length() % 2 == 0 ? "/" : "")
                        + BASE;
        assertThat(longest).hasSize(LONGEST_NAME);
        run(qemu, "rebase", "-u", "-b", longest, "-F", "qcow2", IMAGE);
        assertThat(points()).isEqualTo(points);
        QemuIo.run(folder.resolve(IMAGE), "write 0 64k");
        qemu.bitmapAdd(IMAGE, "another", 65536, true);
        assertThat(points()).isEqualTo(points);
        assertThat(qemu.info(IMAGE).path("backing-filename").asString()).isEqualTo(longest);
        assertThat(bitmaps()).contains("b0", "another");
        Changes.change(folder.resolve(IMAGE), draft -> draft.clear("b0".getBytes(UTF_8), null));
        qemu.assertClean(IMAGE);
    }

    /// All bitmaps go through QEMU and come back: what we left is not in the way.
    @ParameterizedTest
    @ValueSource(ints = {512, 4096, 65536})
    void withoutAnyBitmapThereIsRoomForTheFirst(int cluster) throws Exception {
        QemuImg qemu = create(cluster);
        fill();
        for (String bitmap : bitmaps()) {
            qemu.bitmapRemove(IMAGE, bitmap);
        }
        qemu.assertClean(IMAGE);
        qemu.bitmapAdd(IMAGE, "first", 65536, true);
        assertThat(bitmaps()).containsExactly("first");
        qemu.assertClean(IMAGE);
        Changes.change(folder.resolve(IMAGE), draft -> draft.delete("first".getBytes(UTF_8)));
        qemu.assertClean(IMAGE);
        assertThat(points()).isEmpty();
    }

    private QemuImg create(int cluster) {
        QemuImg qemu = new QemuImg(folder);
        qemu.create(BASE, "4M");
        qemu.create(OTHER_BASE, "4M");
        qemu.create(IMAGE, "4M", List.of("-b", BASE, "-F", "qcow2"), "cluster_size=" + cluster);
        for (int i = 0; i < BITMAPS; i++) {
            qemu.bitmapAdd(IMAGE, "b" + i, 4096, true);
            QemuIo.run(folder.resolve(IMAGE), "write %dk 10k".formatted(i * 40));
        }
        return qemu;
    }

    /// Sets reference points, long ones first, until not even the shortest is accepted.
    private void fill() throws Exception {
        boolean refused = false;
        for (int length = ReferencePoints.MAX_TEXT; length > 0; length /= 2) {
            refused = false;
            for (int bitmap = 0; bitmap < BITMAPS; bitmap++) {
                String name = "b" + bitmap;
                ReferencePoint old = points().get(name);
                int now = old == null ? 0 : String.valueOf(old.note()).length();
                while (now + length <= ReferencePoints.MAX_TEXT && !refused) {
                    refused = !set(name, "x".repeat(now + length));
                    now += length;
                }
            }
        }
        assertThat(refused).isTrue();
    }

    /// @return whether the header had room
    private boolean set(String bitmap, String text) throws IOException {
        try {
            Changes.change(
                    folder.resolve(IMAGE),
                    draft ->
                            draft.refer(
                                    bitmap.getBytes(UTF_8),
                                    new ReferencePoint(text, text, text, Instant.EPOCH)));
            return true;
        } catch (ChangeRefusedException e) {
            assertThat(e.kind()).isEqualTo(ChangeRefusedException.Kind.HEADER_FULL);
            return false;
        }
    }

    private Image open() throws IOException {
        return Image.open(MemoryImageFile.copyOf(folder.resolve(IMAGE)), false).orElseThrow();
    }

    private Map<String, ReferencePoint> points() throws IOException {
        ReferencePoints points = ReferencePoints.of(open().extensions());
        Map<String, ReferencePoint> byName = new TreeMap<>();
        for (byte[] name : points.names()) {
            ReferencePoint point = points.get(name);
            if (point != null) {
                byName.put(new String(name, UTF_8), point);
            }
        }
        return byName;
    }

    private List<String> bitmaps() throws IOException {
        return ImageContent.read(MemoryImageFile.copyOf(folder.resolve(IMAGE))).bitmaps().stream()
                .map(ImageContent.Content::name)
                .toList();
    }
}
