package dev.dirtymap.twin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Server;
import dev.dirtymap.qcow2.Check;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.NbdMap;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuJudge.LoadedBitmap;
import dev.dirtymap.testimages.Range;
import dev.dirtymap.twin.Model.Entry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Sequences of operations on our image and, through QEMU, on its twin, with guest writes in between: after each
/// step QEMU reads the same from both, we read what QEMU reads, and nothing is leaked.
///
/// `-Ddirtymap.twin.sequences=N` runs N sequences a layout, `-Ddirtymap.twin.seed=S` others.
class TwinTest {

    private static final int SEQUENCES = Integer.getInteger("dirtymap.twin.sequences", 1);
    private static final long SEED = Long.getLong("dirtymap.twin.seed", 1);
    private static final int STEPS = 50;
    private static final int STEPS_A_CHECK = 10;

    private static final String IMAGE = "image.qcow2";
    private static final String OTHER = "other.qcow2";
    private static final String TINY = "tiny.qcow2";
    private static final String SCRATCH = "scratch.qcow2";

    /// What QEMU says where we say this.
    private static final Map<String, String> REFUSALS =
            Map.of(
                    "", "",
                    "bitmap-exists", ".*already exists.*",
                    "bitmap-not-found", ".*not found.*",
                    "bitmap-inconsistent", ".*inconsistent and cannot be used.*",
                    "size-mismatch", ".*are of different sizes.*",
                    "invalid-request", ".*(Granularity must be|Name length exceeds|uint32).*");

    private static final int LEAST_OPERATIONS = 600 * SEQUENCES;

    /// Operations of all sequences, those of transactions too.
    private static int operations;

    /// The name of no bitmap.
    private static final String NONE = "";

    private static final LoadedBitmap MISSING = new LoadedBitmap(0, false, false, 0, "");

    @TempDir private Path twin;

    @AfterAll
    static void thatWasEnough() {
        assertThat(operations).isGreaterThanOrEqualTo(LEAST_OPERATIONS);
    }

    private static Stream<Arguments> sequences() {
        return Stream.of(Layout.values())
                .flatMap(layout ->
                        LongStream.range(SEED, SEED + SEQUENCES)
                                .mapToObj(seed -> Arguments.of(layout, seed)));
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("sequences")
    void bothAreTheSameAfterEachStep(Layout layout, long seed) throws Exception {
        Server server = Server.shared();
        Path ours = server.newFolder();
        HttpSide service = new HttpSide(server.port(), ours.getFileName().toString());
        try (Twins twins = new Twins(layout, seed, ours, twin, service)) {
            twins.start();
            for (int step = 1; step <= STEPS; step++) {
                twins.step();
                if (step % STEPS_A_CHECK == 0) {
                    twins.checkInQemu();
                }
            }
            twins.end();
        }
    }

    /// The two sets of images.
    private static final class Twins implements AutoCloseable {

        private final Layout layout;
        private final Path ourFolder;
        private final Path twinFolder;
        private final HttpSide ours;
        private final QemuSide reader;
        private final QemuSide twin;
        private final Random random;
        private final List<Model> images;
        private final RandomOperations next;
        private final List<String> done = new ArrayList<>();

        Twins(Layout layout, long seed, Path ourFolder, Path twinFolder, HttpSide ours) {
            this.layout = layout;
            this.ourFolder = ourFolder;
            this.twinFolder = twinFolder;
            this.ours = ours;
            this.random = new Random(seed * 1000 + layout.virtualSize());
            create();
            images =
                    List.of(
                            new Model(
                                    IMAGE, new ImageBytes(ourFolder.resolve(IMAGE)).clusterSize()),
                            new Model(OTHER, 4096));
            next = new RandomOperations(random, layout, images, TINY);
            reader = new QemuSide(ourFolder);
            twin = new QemuSide(twinFolder);
        }

        private void create() {
            QemuImg qemu = new QemuImg(ourFolder);
            layout.create(qemu, IMAGE);
            qemu.create(
                    OTHER,
                    Long.toString(layout.virtualSize()),
                    "cluster_size=4k",
                    "refcount_bits=8");
            qemu.create(TINY, "1M");
            qemu.bitmapAdd(TINY, "tiny", 65536, true);
            try (Stream<Path> files = Files.list(ourFolder)) {
                for (Path file : files.toList()) {
                    Files.copy(file, twinFolder.resolve(file.getFileName()));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /// Bitmaps to begin with, one of them void.
        void start() throws Exception {
            long granularity = 1L << layout.minGranularityBits;
            for (Model image : images) {
                for (String name : List.of("lost", "first", "second")) {
                    does(
                            image,
                            new Operation.Create(
                                    name, granularity << (image.entries().size() * 3), true, null));
                }
                guestWrites(image);
            }
            if (random.nextBoolean()) {
                for (Path side : List.of(ourFolder, twinFolder)) {
                    ImageBytes bytes = new ImageBytes(side.resolve(IMAGE));
                    long flags = bytes.directoryEntry(0) + 12;
                    bytes.u32(flags, bytes.u32(flags) | 1);
                }
                images.getFirst().breakBitmap("lost");
            }
        }

        void step() throws Exception {
            Model image = images.get(random.nextInt(4) == 0 ? 1 : 0);
            does(image, next.next(image));
            if (random.nextInt(4) == 0) {
                guestWrites(image);
            }
        }

        private void guestWrites(Model image) throws Exception {
            List<String> commands = next.guestWrites();
            done.add(image.file + " " + commands);
            reader.write(image.file, commands);
            twin.write(image.file, commands);
            List<Entry> entries = image.entries();
            compare(
                    image,
                    entries.isEmpty() ? null : entries.get(random.nextInt(entries.size())).name());
        }

        private void does(Model image, Operation operation) throws Exception {
            done.add(image.file + " " + operation);
            operations += operation instanceof Operation.Transaction(var all) ? all.size() : 1;
            QemuSide.Content result = content(image, operation);
            String refusal = ours.apply(image.file, operation);
            assertThat(REFUSALS).as(story()).containsKey(refusal);
            boolean rehearsed = operation instanceof Operation.Transaction && !refusal.isEmpty();
            if (rehearsed) {
                Files.copy(
                        twinFolder.resolve(image.file),
                        twinFolder.resolve(SCRATCH),
                        StandardCopyOption.REPLACE_EXISTING);
            }
            String said =
                    rehearsed
                            ? twin.apply(SCRATCH, onScratch(operation, image.file), null)
                            : twin.apply(image.file, operation, result);
            assertThat(said).as(story()).matches("(?s)" + REFUSALS.get(refusal));
            Model to = image;
            if (operation instanceof Operation.Copy copy) {
                to = images.get(copy.image().equals(images.getFirst().file) ? 0 : 1);
            }
            if (refusal.isEmpty()) {
                image.apply(operation, to);
            }
            compare(to, refusal.isEmpty() ? target(operation) : NONE);
        }

        private static Operation onScratch(Operation operation, String file) {
            return switch (operation) {
                case Operation.Transaction(var all) ->
                        new Operation.Transaction(
                                all.stream().map(one -> onScratch(one, file)).toList());
                case Operation.Merge(var bitmap, var sources) ->
                        new Operation.Merge(
                                bitmap,
                                sources.stream()
                                        .map(source ->
                                                new Operation.Source(
                                                        source.image().equals(file)
                                                                ? SCRATCH
                                                                : source.image(),
                                                        source.bitmap()))
                                        .toList());
                case Operation.Copy copy ->
                        new Operation.Copy(
                                copy.bitmap(),
                                SCRATCH,
                                copy.name(),
                                copy.granularity(),
                                copy.enabled());
                default -> operation;
            };
        }

        /// The bitmap whose bits an operation may change; null if there may be several.
        private static @Nullable String target(Operation operation) {
            return switch (operation) {
                case Operation.Create create -> create.bitmap();
                case Operation.Clear clear -> clear.bitmap();
                case Operation.Merge merge -> merge.bitmap();
                case Operation.Copy copy -> copy.name();
                case Operation.Mark mark -> mark.bitmap();
                case Operation.Replace replace -> replace.bitmap();
                case Operation.Rename rename -> rename.name();
                case Operation.Delete _, Operation.DeleteAll _ -> NONE;
                case Operation.Enable _, Operation.Refer _ -> NONE;
                case Operation.Transaction _ -> null;
            };
        }

        /// What QEMU has no operation for.
        private QemuSide.@Nullable Content content(Model image, Operation operation) {
            return switch (operation) {
                case Operation.Mark(String bitmap, List<Range> ranges, boolean dirty) -> {
                    long granularity = image.entry(bitmap).granularity();
                    List<Range> left =
                            dirty
                                    ? List.of()
                                    : without(ours.dirty(image.file, bitmap), ranges, granularity);
                    yield new QemuSide.Content(granularity, layout.virtualSize(), left);
                }
                case Operation.Replace(String bitmap, List<Range> ranges) ->
                        new QemuSide.Content(
                                image.entry(bitmap).granularity(), layout.virtualSize(), ranges);
                default -> null;
            };
        }

        private List<Range> without(List<Range> dirty, List<Range> cleaned, long granularity) {
            List<Range> left = dirty;
            for (Range range : cleaned) {
                long from = Math.ceilDiv(range.offset(), granularity) * granularity;
                long to =
                        range.end() == layout.virtualSize()
                                ? range.end()
                                : range.end() / granularity * granularity;
                if (from >= to) {
                    continue;
                }
                List<Range> next = new ArrayList<>();
                for (Range one : left) {
                    if (one.end() <= from || one.offset() >= to) {
                        next.add(one);
                        continue;
                    }
                    if (one.offset() < from) {
                        next.add(new Range(one.offset(), from - one.offset(), true));
                    }
                    if (one.end() > to) {
                        next.add(new Range(to, one.end() - to, true));
                    }
                }
                left = next;
            }
            return left;
        }

        /// @param changed the one bitmap whose bits may be others than before; null if any may
        private void compare(Model image, @Nullable String changed) throws Exception {
            SequencedMap<String, LoadedBitmap> inOurs = reader.read(image.file);
            SequencedMap<String, LoadedBitmap> inTwin = twin.read(image.file);
            assertThat(inOurs).as(story()).isEqualTo(inTwin);
            assertThat(List.copyOf(inTwin.sequencedKeySet().reversed()))
                    .as(story())
                    .isEqualTo(image.twinOrder());
            List<Entry> entries = image.entries();
            assertThat(List.copyOf(inOurs.sequencedKeySet().reversed()))
                    .as(story())
                    .isEqualTo(entries.stream().map(Entry::name).toList());
            assertThat(ours.list(image.file)).as(story()).isEqualTo(entries);
            for (Entry entry : entries) {
                LoadedBitmap loaded = inOurs.getOrDefault(entry.name(), MISSING);
                assertThat(loaded.granularity()).isEqualTo(entry.granularity());
                assertThat(loaded.inconsistent()).as(story()).isEqualTo(entry.inconsistent());
                if (!entry.inconsistent()) {
                    assertThat(loaded.enabled()).as(story()).isEqualTo(entry.enabled());
                    if (changed == null || changed.equals(entry.name())) {
                        compare(image.file, entry, loaded);
                    }
                }
            }
            checkOurselves(image.file);
        }

        private void compare(String file, Entry entry, LoadedBitmap loaded) throws Exception {
            long bits = Math.ceilDiv(layout.virtualSize(), entry.granularity());
            byte[] fromExtents = new byte[(int) Math.ceilDiv(bits, 8)];
            HttpSide.set(fromExtents, ours.dirty(file, entry.name()), entry.granularity());
            assertThat(sha256(fromExtents)).as(story()).isEqualTo(loaded.sha256());
        }

        /// As QEMU reckons it: over whole words of 64 bits.
        private static String sha256(byte[] bits) throws Exception {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(ByteBuffer.wrap(Arrays.copyOf(bits, (bits.length + 7) & -8)));
            return HexFormat.of().formatHex(digest.digest());
        }

        private void checkOurselves(String file) throws IOException {
            try (FileChannel channel = FileChannel.open(ourFolder.resolve(file))) {
                Check.Report report = Check.run(ImageFile.of(channel));
                assertThat(report.corruptions() + report.leakedClusters() + report.checkErrors())
                        .as("%s%n%s", report.errors(), story())
                        .isZero();
            }
        }

        void checkInQemu() {
            QemuImg qemu = new QemuImg(ourFolder);
            for (Model image : images) {
                QemuImg.CheckResult result = qemu.check(image.file);
                assertThat(result.exitCode()).as("%s%n%s", result.text(), story()).isZero();
            }
        }

        /// The extents as an NBD client of QEMU sees them.
        void end() throws Exception {
            for (Model image : images) {
                compare(image, null);
                List<String> names =
                        image.entries().stream()
                                .filter(entry -> !entry.inconsistent())
                                .map(Entry::name)
                                .toList();
                SequencedMap<String, LoadedBitmap> inTwin = twin.read(image.file);
                for (String name : names) {
                    assertThat(sha256(ours.bits(image.file, name)))
                            .as(story())
                            .isEqualTo(inTwin.getOrDefault(name, MISSING).sha256());
                }
                assertThat(names.stream().map(name -> ours.dirty(image.file, name)).toList())
                        .as(story())
                        .isEqualTo(
                                NbdMap.dirty(
                                        twinFolder.resolve(image.file),
                                        names.stream().map(QemuSide::bytes).toList()));
            }
        }

        private String story() {
            return String.join("\n", done);
        }

        @Override
        public void close() {
            try (reader) {
                twin.close();
            }
        }
    }
}
