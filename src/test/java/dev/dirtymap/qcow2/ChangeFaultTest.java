package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.ChangePowerCutTest.Change;
import dev.dirtymap.qcow2.ChangePowerCutTest.Layout;
import dev.dirtymap.qcow2.ChangePowerCutTest.Seen;
import dev.dirtymap.testimages.FailingImageFile;
import dev.dirtymap.testimages.FailingImageFile.Operation;
import dev.dirtymap.testimages.FailingImageFile.Trouble;
import dev.dirtymap.testimages.MemoryImageFile;
import dev.dirtymap.testimages.OverlayImageFile;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuJudge;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Each single operation on the disk fails in turn, once or for good, in every change: the change fails and the
/// image is as before; or, once it was made, it stands. QEMU opens it in any case.
class ChangeFaultTest {

    private static final long SEED = Long.getLong("dirtymap.fault.seed", 20_261_123);

    /// How many states of each case are opened in QEMU; all are judged by our own reader and check.
    private static final int JUDGED = Integer.getInteger("dirtymap.fault.judged", 6);

    /// How many faults of one kind are tried in each case; all of them if there are no more.
    private static final int FAULTS = Integer.getInteger("dirtymap.fault.faults", 40);

    @TempDir private Path folder;

    private static Stream<Arguments> cases() {
        return Stream.of(
                        Layout.SMALLEST_CLUSTERS,
                        Layout.USUAL_CLUSTERS,
                        Layout.GROWING_REFCOUNT_TABLE,
                        Layout.STRADDLING_488)
                .flatMap(layout ->
                        Stream.of(Change.values()).map(change -> Arguments.of(layout, change)));
    }

    /// How far a change came.
    private enum Step {
        OPEN,
        PREPARE,
        COMMIT,
        FINISH,
        DONE
    }

    /// One failed change: how far it came, why it ended, and what it left.
    private record Failed(
            String name, Step step, @Nullable Exception cause, OverlayImageFile file) {}

    private static Failed run(
            OverlayImageFile file, Change change, Operation operation, int n, Trouble trouble) {
        String name = "%s %d, %s".formatted(operation, n, trouble);
        FailingImageFile failing = new FailingImageFile(file, operation, n, trouble);
        Step step = Step.OPEN;
        try {
            Image image = Image.open(failing, false).orElseThrow();
            BitmapsDraft draft = new BitmapsDraft(image, failing);
            change.operations.on(draft);
            step = Step.PREPARE;
            Commit commit = Commit.prepare(draft);
            step = Step.COMMIT;
            commit.commit();
            step = Step.FINISH;
            commit.finish();
            return new Failed(name, Step.DONE, null, file);
        } catch (IOException | ChangeRefusedException e) {
            return new Failed(name, step, e, file);
        }
    }

    /// The numbers of the operations that fail.
    private static List<Integer> faults(int count) {
        List<Integer> all = new ArrayList<>(IntStream.rangeClosed(1, count).boxed().toList());
        Collections.shuffle(all, new Random(SEED));
        return all.subList(0, Math.min(FAULTS, count)).stream().sorted().toList();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void whatIsLeftIsOldOrNew(Layout layout, Change change) throws Exception {
        MemoryImageFile base =
                MemoryImageFile.copyOf(ChangePowerCutTest.create(folder, layout, change));
        OverlayImageFile changed = new OverlayImageFile(base);
        FailingImageFile counter = new FailingImageFile(changed, 0);
        Changes.change(counter, change.operations);
        List<Failed> failures = new ArrayList<>();
        for (Operation operation : Operation.values()) {
            for (int n : faults(counter.count(operation))) {
                for (Trouble trouble : Trouble.values()) {
                    failures.add(run(new OverlayImageFile(base), change, operation, n, trouble));
                }
            }
        }
        try (QemuJudge judge = QemuJudge.start(folder, "state.qcow2", base)) {
            Seen before = ChangePowerCutTest.seen(judge, new OverlayImageFile(base));
            Seen after = ChangePowerCutTest.seen(judge, changed);
            for (Failed failed : failures) {
                requireRight(failed, before, after, base);
            }
            Collections.shuffle(failures, new Random(SEED));
            for (Failed failed : failures.subList(0, Math.min(JUDGED, failures.size()))) {
                assertThat(ChangePowerCutTest.seen(judge, failed.file))
                        .as(failed.name)
                        .isIn(before, after);
                // Whoever comes next finds an image to work with.
                Changes.change(
                        failed.file,
                        draft -> draft.create("next".getBytes(UTF_8), 1L << 16, true, null));
                assertThat(judge.judge(failed.file).bitmaps()).containsKey("next");
                assertThat(judge.check(failed.file).exitCode()).as(failed.name).isIn(0, 3);
            }
        }
    }

    private static void requireRight(Failed failed, Seen before, Seen after, MemoryImageFile base)
            throws IOException {
        String name = failed.name + " in " + failed.step;
        Exception cause = failed.cause;
        assertThat(cause).as(name).isInstanceOf(IOException.class).hasMessageContaining("failed");
        assertThat(cause instanceof NoSpaceException)
                .as(name)
                .isEqualTo(name.contains(Trouble.NO_SPACE.name()));
        switch (failed.step) {
            case OPEN, PREPARE ->
                    assertThat(ChangePowerCutTest.ours(failed.file))
                            .as(name)
                            .isEqualTo(before.ours());
            case COMMIT ->
                    assertThat(ChangePowerCutTest.ours(failed.file))
                            .as(name)
                            .isIn(before.ours(), after.ours());
            case FINISH, DONE ->
                    assertThat(ChangePowerCutTest.ours(failed.file))
                            .as(name)
                            .isEqualTo(after.ours());
        }
        Check.Report report = Check.run(failed.file);
        assertThat(report.corruptions()).as("%s %s", name, report.errors()).isZero();
        if (failed.step == Step.OPEN || name.startsWith(Operation.RESERVE.name())) {
            requireSame(name, failed.file, base);
        }
    }

    private static void requireSame(String name, ImageFile file, MemoryImageFile base)
            throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(file.size()));
        file.read(0, bytes);
        assertThat(Arrays.mismatch(bytes.array(), base.bytes())).as(name).isEqualTo(-1);
    }

    /// Clusters that nobody uses may hold what was there before. Even that stays when there is no room.
    @Test
    void withoutRoomNotEvenUnusedClustersChange() throws Exception {
        QemuImg qemu = new QemuImg(folder);
        Path image = qemu.create("a.qcow2", "1G", "cluster_size=4k");
        MemoryImageFile base = MemoryImageFile.copyOf(image);
        byte[] left = new byte[64 << 10];
        new Random(SEED).nextBytes(left);
        base.write(base.size(), ByteBuffer.wrap(left));
        OverlayImageFile changed = new OverlayImageFile(base);
        FailingImageFile counter = new FailingImageFile(changed, 0);
        Change change = Change.CREATE_MANY;
        Changes.change(counter, change.operations);
        assertThat(counter.count(Operation.RESERVE)).isPositive();
        for (int n = 1; n <= counter.count(Operation.RESERVE); n++) {
            for (Trouble trouble : Trouble.values()) {
                Failed failed =
                        run(new OverlayImageFile(base), change, Operation.RESERVE, n, trouble);
                assertThat(failed.step).isEqualTo(Step.PREPARE);
                requireSame(failed.name, failed.file, base);
            }
        }
    }
}
