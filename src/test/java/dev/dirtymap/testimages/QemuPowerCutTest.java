package dev.dirtymap.testimages;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.Changes;
import dev.dirtymap.testimages.QemuJudge.LoadedBitmap;
import dev.dirtymap.testimages.QemuJudge.Verdict;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.StringJoiner;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What becomes of a bitmap that a request does not name when the power is lost while `qemu-img` changes another one:
/// our figures on QEMU, and the proof that [PowerCut] sees such losses.
class QemuPowerCutTest {

    private static final long SEED = 20_261_123;

    /// How many states of each case are opened in QEMU, and how many of these are checked.
    private static final int JUDGED = 700;

    private static final int CHECKED = 40;

    private static final List<String> COLUMNS =
            List.of(
                    "image",
                    "operation",
                    "by",
                    "writes",
                    "syncs",
                    "states",
                    "b0 intact",
                    "b0 inconsistent",
                    "all lost",
                    "b0 wrong",
                    "not opened",
                    "killed: intact, inconsistent, lost",
                    "checked",
                    "corrupt",
                    "leaks");

    @TempDir private Path folder;

    @Test
    void qemuImgLosesBitmapsThatItWasNotAskedToChangeAndWeDoNot()
            throws IOException, ChangeRefusedException {
        var table = new StringJoiner(System.lineSeparator());
        table.add("| " + String.join(" | ", COLUMNS) + " |");
        table.add("|---".repeat(COLUMNS.size()) + "|");
        for (String options :
                List.of(
                        "cluster_size=512,refcount_bits=1",
                        "cluster_size=64k",
                        "cluster_size=2M")) {
            for (String operation : List.of("--add", "--remove", "--clear", "--merge b2")) {
                table.add(row(options, operation));
                table.add(ownRow(options, operation));
            }
        }
        System.out.println(table);
    }

    /// So a change whose order rests on luck is found out.
    @Test
    void withoutSyncsQemuImgCanDoWorse() throws IOException {
        Path image = create("cluster_size=64k", "--add");
        MemoryImageFile base = MemoryImageFile.copyOf(image);
        List<DiskEvent> events =
                new ArrayList<>(RecordedProgram.qemuImgBitmap(image, "b1", "--add"));
        events.removeIf(event -> event instanceof DiskEvent.Sync);
        Counts counts = judge(base, PowerCut.of(base, events, SEED).atMost(200));
        assertThat(counts.wrong).isPositive();
        assertThat(counts.unopened).isPositive();
        assertThat(counts.corrupt).isPositive();
    }

    private String row(String options, String operation) throws IOException {
        Path image = create(options, operation);
        MemoryImageFile base = MemoryImageFile.copyOf(image);
        List<DiskEvent> events =
                RecordedProgram.qemuImgBitmap(image, "b1", operation.split(" ", -1));
        PowerCut cut = PowerCut.of(base, events, SEED);
        assertThat(content(cut.complete())).isEqualTo(ByteBuffer.wrap(Files.readAllBytes(image)));

        Counts counts = judge(base, cut);
        assertThat(counts.lost).isPositive();
        assertThat(counts.inconsistent).isPositive();
        return row(options, operation, "qemu-img", events, counts);
    }

    /// The same change of the same image, made by us and judged in the same way.
    private String ownRow(String options, String operation)
            throws IOException, ChangeRefusedException {
        MemoryImageFile base = MemoryImageFile.copyOf(create(options, operation));
        var file = new RecordingImageFile(new OverlayImageFile(base));
        byte[] b1 = {'b', '1'};
        Changes.change(
                file,
                draft -> {
                    switch (operation) {
                        case "--add" -> draft.create(b1, null, true, null);
                        case "--remove" -> draft.delete(b1);
                        case "--clear" -> draft.clear(b1, null);
                        default -> draft.merge(b1, draft, new byte[] {'b', '2'});
                    }
                });
        Counts counts = judge(base, PowerCut.of(base, file.events(), SEED));
        assertThat(counts.lost + counts.inconsistent + counts.wrong + counts.unopened).isZero();
        assertThat(counts.corrupt).isZero();
        assertThat(counts.intact).isPositive();
        return row(options, operation, "Dirtymap", file.events(), counts);
    }

    private static String row(
            String options, String operation, String by, List<DiskEvent> events, Counts counts) {
        long syncs = events.stream().filter(DiskEvent.Sync.class::isInstance).count();
        return "| %s | %s | %s | %d | %d | %s |"
                .formatted(options, operation, by, events.size() - syncs, syncs, counts);
    }

    private Counts judge(MemoryImageFile base, PowerCut cut) {
        List<PowerCut.State> states = new ArrayList<>(cut.states().toList());
        Collections.shuffle(states, new Random(SEED));
        var counts = new Counts();
        try (var judge = QemuJudge.start(folder, "state.qcow2", base)) {
            LoadedBitmap b0 =
                    Objects.requireNonNull(
                            judge.judge(new OverlayImageFile(base)).bitmaps().get("b0"));
            for (PowerCut.State state : states.subList(0, Math.min(JUDGED, states.size()))) {
                counts.add(judge.judge(state.file()), state.ordered(), b0);
            }
            for (PowerCut.State state : states.subList(0, Math.min(CHECKED, states.size()))) {
                counts.add(judge.check(state.file()));
            }
        }
        return counts;
    }

    /// With b0, whose content must survive, and what the operation needs.
    private Path create(String options, String operation) throws IOException {
        var qemuImg = new QemuImg(folder);
        Files.deleteIfExists(folder.resolve("image.qcow2"));
        Path image = qemuImg.create("image.qcow2", "8M", options);
        qemuImg.bitmapAdd("image.qcow2", "b0", 512, true);
        QemuIo.run(image, "write -P 1 0 4k", "discard 1M 512", "discard 5M 1k");
        if (!operation.equals("--add")) {
            qemuImg.bitmapAdd("image.qcow2", "b1", 512, true);
        }
        if (operation.startsWith("--merge")) {
            qemuImg.bitmapAdd("image.qcow2", "b2", 512, true);
        }
        QemuIo.run(image, "discard 3M 512");
        return image;
    }

    private static ByteBuffer content(OverlayImageFile file) throws IOException {
        var bytes = ByteBuffer.allocate((int) file.size());
        file.read(0, bytes);
        return bytes.flip();
    }

    /// How often each end was met.
    private static final class Counts {

        private int intact;
        private int inconsistent;
        private int lost;
        private int wrong;
        private int unopened;
        private int killedIntact;
        private int killedInconsistent;
        private int killedLost;
        private int checked;
        private int corrupt;
        private int leaking;

        void add(Verdict verdict, boolean killed, LoadedBitmap expected) {
            LoadedBitmap b0 = verdict.bitmaps().get("b0");
            int one = killed ? 1 : 0;
            if (verdict.refusal() != null) {
                unopened++;
            } else if (verdict.bitmaps().isEmpty()) {
                lost++;
                killedLost += one;
            } else if (b0 != null && b0.inconsistent()) {
                inconsistent++;
                killedInconsistent += one;
            } else if (expected.equals(b0)) {
                intact++;
                killedIntact += one;
            } else {
                wrong++;
            }
        }

        void add(QemuImg.CheckResult result) {
            checked++;
            if (result.exitCode() == 2) {
                corrupt++;
            } else if (result.exitCode() == 3) {
                leaking++;
            }
        }

        @Override
        public String toString() {
            return "%d | %d | %d | %d | %d | %d | %d, %d, %d | %d | %d | %d"
                    .formatted(
                            intact + inconsistent + lost + wrong + unopened,
                            intact,
                            inconsistent,
                            lost,
                            wrong,
                            unopened,
                            killedIntact,
                            killedInconsistent,
                            killedLost,
                            checked,
                            corrupt,
                            leaking);
        }
    }
}
