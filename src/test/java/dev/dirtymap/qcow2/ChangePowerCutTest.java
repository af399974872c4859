package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.Changes.Operations;
import dev.dirtymap.testimages.DiskEvent;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.OverlayImageFile;
import dev.dirtymap.testimages.PowerCut;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.QemuJudge;
import dev.dirtymap.testimages.RecordingImageFile;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The power is lost at every moment of every operation, on every layout: what QEMU and we then find is the old
/// state or the new one, whole, with leaked clusters at worst.
class ChangePowerCutTest {

    private static final long SEED = Long.getLong("dirtymap.power.seed", 20_261_123);

    /// How many states of each case are opened in QEMU; all others are only judged by our own reader and check.
    private static final int JUDGED = Integer.getInteger("dirtymap.power.judged", 60);

    private static final int CHECKED = 4;
    private static final int CHOICES = Integer.getInteger("dirtymap.power.choices", 200);

    private static final ReferencePoint OLD =
            new ReferencePoint("/backup/old", null, "x".repeat(300), Instant.ofEpochMilli(1));
    private static final ReferencePoint NEW =
            new ReferencePoint("nbd://backup/new", "/backup/old", null, Instant.ofEpochMilli(2));

    /// The changes that made the refcount table grow.
    private static final Set<Change> GROWN = EnumSet.noneOf(Change.class);

    @TempDir private Path folder;

    @AfterAll
    static void theRefcountTableGrew() {
        assertThat(GROWN).contains(Change.CREATE_MANY);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }

    /// An image before the operation.
    @SuppressWarnings("ImmutableEnumChecker")
    enum Layout {
        SMALLEST_CLUSTERS("4M", List.of(), "cluster_size=512,refcount_bits=1"),
        USUAL_CLUSTERS("1G", List.of(), "cluster_size=64k"),
        BACKING_FORMAT("1G", List.of("-u", "-b", "base.qcow2", "-F", "qcow2"), "cluster_size=64k"),
        LARGEST_CLUSTERS("64M", List.of(), "cluster_size=2M"),
        LONG_BACKING_NAME(
                "1M",
                List.of("-u", "-b", "./".repeat(165) + "base.qcow2", "-F", "qcow2"),
                "cluster_size=512"),
        LONGEST_BACKING_NAME(
                "8M",
                List.of("-u", "-b", "./".repeat(495) + "base.qcow2", "-F", "qcow2"),
                "cluster_size=4k"),
        GROWING_REFCOUNT_TABLE("4M", List.of(), "cluster_size=512,refcount_bits=64"),
        /// As QEMU before 5.1 wrote them.
        SHORT_HEADER("1G", List.of("-u", "-b", "base.qcow2", "-F", "qcow2"), "cluster_size=64k"),
        STRADDLING_488("1G", List.of(), "cluster_size=64k"),
        STRADDLING_496("1G", List.of(), "cluster_size=64k");

        private final String size;
        private final List<String> words;
        private final String options;

        Layout(String size, List<String> words, String options) {
            this.size = size;
            this.words = words;
            this.options = options;
        }
    }

    /// An operation, and whether the image has bitmaps before it.
    @SuppressWarnings("ImmutableEnumChecker")
    enum Change {
        CREATE_FIRST(List.of(), draft -> draft.create(bytes("new"), 4096L, true, null)),
        CREATE_FIRST_WITH_REFERENCE_POINT(
                List.of(), true, draft -> draft.create(bytes("new"), 4096L, true, NEW)),
        CREATE(List.of("a", "b"), draft -> draft.create(bytes("new"), 512L, false, null)),
        CREATE_MANY(
                List.of(),
                draft -> {
                    for (int i = 0; i < 8; i++) {
                        draft.create(bytes("new" + i), 512L, true, null);
                    }
                }),
        DELETE_LAST(List.of("a"), draft -> draft.delete(bytes("a"))),
        DELETE(List.of("a", "b"), draft -> draft.delete(bytes("a"))),
        CLEAR(List.of("a", "b"), draft -> draft.clear(bytes("a"), null)),
        CLEAR_AND_REFER(List.of("a", "b"), true, draft -> draft.clear(bytes("a"), NEW)),
        MERGE(List.of("a", "b"), draft -> draft.merge(bytes("a"), draft, bytes("b"))),
        MARK(
                List.of("a", "b"),
                draft -> draft.mark(bytes("a"), List.of(new Extent(0, 1 << 20, true)), true, null)),
        RENAME(List.of("a", "b"), draft -> draft.rename(bytes("a"), bytes("c"))),
        REFER(List.of("a", "b"), true, draft -> draft.refer(bytes("b"), NEW)),
        ROTATE(
                List.of("a", "b"),
                true,
                draft -> {
                    draft.enable(bytes("a"), true);
                    draft.create(bytes("new"), null, true, NEW);
                    draft.delete(bytes("b"));
                });

        private final List<String> bitmaps;
        final Operations operations;

        /// Whether it takes room for a reference point.
        private final boolean refers;

        Change(List<String> bitmaps, Operations operations) {
            this(bitmaps, false, operations);
        }

        Change(List<String> bitmaps, boolean refers, Operations operations) {
            this.bitmaps = bitmaps;
            this.refers = refers;
            this.operations = operations;
        }
    }

    private static Stream<Arguments> cases() {
        return Stream.of(Layout.values())
                .flatMap(layout ->
                        Stream.of(Change.values())
                                .filter(change ->
                                        !change.refers || layout != Layout.LONG_BACKING_NAME)
                                .map(change -> Arguments.of(layout, change)));
    }

    /// What anybody can see of the bitmaps.
    record Seen(Map<String, QemuJudge.LoadedBitmap> inQemu, Ours ours) {}

    /// What we see: with each name its extents, flags and reference point.
    record Ours(BitmapsState state, Map<String, String> bitmaps) {}

    @ParameterizedTest
    @MethodSource("cases")
    void whatIsLeftIsOldOrNew(Layout layout, Change change) throws Exception {
        Path image = create(folder, layout, change);
        MemoryImageFile base = MemoryImageFile.copyOf(image);
        RecordingImageFile file = new RecordingImageFile(new OverlayImageFile(base));
        Changes.change(file, change.operations);
        requireMeant(layout, change, base, file);
        List<DiskEvent> events = file.events();
        PowerCut cut = PowerCut.of(base, events, SEED).atMost(CHOICES);

        try (QemuJudge judge = QemuJudge.start(folder, "state.qcow2", base)) {
            Seen before = seen(judge, new OverlayImageFile(base));
            Seen after = seen(judge, cut.complete());
            assertThat(after).isNotEqualTo(before);
            List<PowerCut.State> states = new ArrayList<>(cut.states().toList());
            for (PowerCut.State state : states) {
                assertThat(ours(state.file())).as(state.name()).isIn(before.ours, after.ours);
                Check.Report report = Check.run(state.file());
                assertThat(report.corruptions())
                        .as("%s %s", state.name(), report.errors())
                        .isZero();
            }
            Collections.shuffle(states, new Random(SEED));
            for (PowerCut.State state : states.subList(0, Math.min(JUDGED, states.size()))) {
                assertThat(seen(judge, state.file())).as(state.name()).isIn(before, after);
            }
            for (PowerCut.State state : states.subList(0, Math.min(CHECKED, states.size()))) {
                assertThat(judge.check(state.file()).exitCode()).as(state.name()).isIn(0, 3);
                // Whoever comes next finds an image to work with.
                OverlayImageFile next = state.file().copy();
                Changes.change(next, draft -> draft.create(bytes("next"), 1L << 16, true, null));
                assertThat(judge.check(next).exitCode())
                        .as("%s, then next", state.name())
                        .isIn(0, 3);
                assertThat(judge.judge(next).bitmaps()).containsKey("next");
            }
            assertThat(judge.check(cut.complete()).exitCode()).isZero();
        }
    }

    /// Makes sure that a layout is what its name says.
    private static void requireMeant(
            Layout layout, Change change, ImageFile before, ImageFile after) throws IOException {
        Image old = Image.open(before, false).orElseThrow();
        switch (layout) {
            case GROWING_REFCOUNT_TABLE -> {
                if (Image.open(after, false).orElseThrow().header().refcountTableOffset()
                        != old.header().refcountTableOffset()) {
                    GROWN.add(change);
                }
            }
            case STRADDLING_488, STRADDLING_496 ->
                    old.extensions()
                            .last(HeaderExtension.Bitmaps.class)
                            .ifPresent(bitmaps ->
                                    assertThat(bitmaps.fileOffset() % 512).isGreaterThan(488));
            default -> {}
        }
    }

    static Path create(Path folder, Layout layout, Change change) throws Exception {
        QemuImg qemu = new QemuImg(folder);
        qemu.create("base.qcow2", "1M");
        Path image = qemu.create("image.qcow2", layout.size, layout.words, layout.options);
        for (String bitmap : change.bitmaps) {
            qemu.bitmapAdd("image.qcow2", bitmap, 4096, true);
            QemuIo.run(image, "write 64k 8k", "write 100k 512");
        }
        if (!change.bitmaps.isEmpty()) {
            qemu.bitmapDisable("image.qcow2", "a");
            QemuIo.run(image, "write 700k 64k");
        }
        switch (layout) {
            case STRADDLING_488 -> straddle(image, 488);
            case STRADDLING_496 -> straddle(image, 496);
            case GROWING_REFCOUNT_TABLE -> fill(image);
            case SHORT_HEADER -> shorten(image);
            default -> {}
        }
        if (!change.bitmaps.isEmpty() && !layout.options.contains("cluster_size=512")) {
            Changes.change(image, draft -> draft.refer(bytes("a"), OLD));
        }
        return image;
    }

    /// Writes guest data until the refcount table, of one cluster for 4096 clusters, has nearly no room left.
    private static void fill(Path image) throws IOException {
        long at = 0;
        for (long free = free(image); free > 3; free = free(image)) {
            // Each 64 clusters of data take an L2 table and a refcount block.
            long clusters = Math.max(1, (free - 8) * 60 / 66);
            QemuIo.run(image, "write %d %d".formatted(at, clusters * 512));
            at += clusters * 512;
        }
    }

    private static long free(Path image) throws IOException {
        MemoryImageFile file = MemoryImageFile.copyOf(image);
        Refcounts refcounts = new Refcounts(file, Image.open(file, false).orElseThrow().header());
        long free = 0;
        for (long cluster = 0; cluster < 4096; cluster++) {
            free += refcounts.of(cluster) == 0 ? 1 : 0;
        }
        return free;
    }

    /// Takes the last eight bytes from the header.
    private static void shorten(Path image) {
        ImageBytes bytes = new ImageBytes(image);
        List<ImageBytes.Extension> extensions = bytes.extensions();
        bytes.u32(100, 104);
        bytes.extensions(extensions);
    }

    /// Puts the bitmaps extension, or the end of the list, where its payload crosses a sector.
    private static void straddle(Path image, int offset) {
        ImageBytes bytes = new ImageBytes(image);
        List<ImageBytes.Extension> kept = new ArrayList<>();
        ImageBytes.Extension bitmaps = null;
        long end = bytes.headerLength();
        for (ImageBytes.Extension extension : bytes.extensions()) {
            if (extension.id() == ImageBytes.BITMAPS_EXTENSION) {
                bitmaps = extension;
            } else {
                kept.add(extension);
                end += 8 + (extension.data().length() + 7 & -8);
            }
        }
        int filler = (int) (1024 + offset - end - 8);
        kept.add(new ImageBytes.Extension(0, 0x11223344, "a".repeat(filler)));
        if (bitmaps != null) {
            kept.add(bitmaps);
        }
        bytes.extensions(kept);
    }

    static Seen seen(QemuJudge judge, OverlayImageFile state) throws IOException {
        QemuJudge.Verdict verdict = judge.judge(state);
        assertThat(verdict.refusal()).isNull();
        return new Seen(verdict.bitmaps(), ours(state));
    }

    static Ours ours(ImageFile file) throws IOException {
        Image image = Image.open(file, false).orElseThrow();
        ReferencePoints points = ReferencePoints.of(image.extensions());
        Map<String, String> bitmaps = new TreeMap<>();
        for (int i = 0; i < image.bitmaps().count(); i++) {
            Bitmap bitmap = image.bitmaps().get(i);
            assertThat(bitmap.state()).as("%s", bitmap.reason()).isEqualTo(BitmapState.CONSISTENT);
            bitmaps.put(
                    new String(bitmap.name(), UTF_8),
                    "%s %s %s"
                            .formatted(
                                    Extents.dirty(file, bitmap),
                                    bitmap.enabled(),
                                    points.get(bitmap.name())));
        }
        return new Ours(image.bitmaps().summary().state(), bitmaps);
    }
}
