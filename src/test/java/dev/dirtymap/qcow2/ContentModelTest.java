package dev.dirtymap.qcow2;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.testimages.MemoryImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Random operations on two images of one disk size, several in each draft and draft after draft, compared
/// with a model that is as simple as can be: one set of granules for each bitmap, changed at once.
class ContentModelTest {

    private static final int RUNS_A_SEED = Integer.getInteger("dirtymap.model.runs", 6);
    private static final int DRAFTS = 4;
    private static final int OPERATIONS = 16;
    private static final int MAX_BITS = 60_000;
    private static final long MAX_DISK = 1L << 50;

    @TempDir private Path folder;

    static LongStream seeds() {
        long first = Long.getLong("dirtymap.model.seed", 1);
        return LongStream.range(first, first + Integer.getInteger("dirtymap.model.seeds", 20));
    }

    /// One bitmap as it must be.
    private static final class Model {

        final int granularityBits;
        boolean enabled;
        @Nullable String point;
        BitSet bits;

        Model(int granularityBits, boolean enabled, @Nullable String point, BitSet bits) {
            this.granularityBits = granularityBits;
            this.enabled = enabled;
            this.point = point;
            this.bits = bits;
        }
    }

    /// One image and its bitmaps as they must be, in directory order.
    private record Disk(FileChannel channel, Map<String, Model> bitmaps) {

        ImageFile file() {
            return ImageFile.of(channel);
        }

        BitmapsDraft draft() throws IOException {
            return new BitmapsDraft(Image.open(file(), false).orElseThrow(), file());
        }
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void everySequenceComesToWhatTheModelSays(long seed) throws Exception {
        var random = new Random(seed);
        for (int run = 0; run < RUNS_A_SEED; run++) {
            new Run(random, "seed %d, run %d".formatted(seed, run)).go();
        }
    }

    private final class Run {

        private final Random random;
        private final String name;
        private final int finest;
        private final long size;
        private final List<Disk> disks = new ArrayList<>();
        private final List<String> said = new ArrayList<>();

        /// Bitmaps of the draft in the making that had ranges marked, which comes last.
        private final Set<String> marked = new HashSet<>();

        /// The bitmap that was changed last, which is a source more often than others: a rounding must not get
        /// lost on the way through several.
        private @Nullable String latest;

        private int names;

        Run(Random random, String name) {
            this.random = random;
            this.name = name;
            this.finest = 9 + random.nextInt(23);
            long bits = 1L + random.nextInt(1 << random.nextInt(4, 17)) % MAX_BITS;
            long most = Math.min(MAX_DISK, bits << finest);
            this.size = Math.max(512, (most - random.nextLong(1L << finest)) & -512);
        }

        void go() throws Exception {
            try {
                for (int i = 0; i < 2; i++) {
                    disks.add(create("%s-%d.qcow2".formatted(name.hashCode(), i)));
                }
                for (int draft = 0; draft < DRAFTS; draft++) {
                    change(disks.getFirst(), disks.getLast());
                    // The other one becomes a target as well.
                    disks.add(disks.removeFirst());
                }
            } finally {
                for (Disk disk : disks) {
                    disk.channel.close();
                }
            }
        }

        private Disk create(String file) throws IOException {
            int clusterBits = 9 + random.nextInt(9);
            while (new Addressing(clusterBits, false).l1EntriesFor(size) > 1 << 16) {
                clusterBits++;
            }
            NewImage image = new NewImage(size, 1 << clusterBits);
            Map<String, Model> bitmaps = new LinkedHashMap<>();
            for (int i = 0; i < 3; i++) {
                int granularityBits = granularityBits();
                BitSet bits = bits(granularityBits);
                String bitmap = "b" + names++;
                boolean enabled = random.nextBoolean();
                image.bitmap(
                        bitmap, 1L << granularityBits, enabled, extents(bits, granularityBits));
                bitmaps.put(bitmap, new Model(granularityBits, enabled, null, bits));
            }
            FileChannel channel =
                    FileChannel.open(
                            folder.resolve(file),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            image.writeTo(channel);
            return new Disk(channel, bitmaps);
        }

        private void change(Disk disk, Disk other) throws Exception {
            said.clear();
            marked.clear();
            latest = null;
            BitmapsDraft draft = disk.draft();
            BitmapsDraft foreign = other.draft();
            int count = 1 + random.nextInt(OPERATIONS);
            for (int i = 0; i < count; i++) {
                operate(disk, draft, other, foreign);
            }
            Commit commit = Commit.prepare(draft);
            commit.commit();
            commit.finish();
            assertSame(disk);
            assertSame(other);
        }

        private void operate(Disk disk, BitmapsDraft draft, Disk other, BitmapsDraft foreign)
                throws Exception {
            Map<String, Model> bitmaps = disk.bitmaps;
            String target = any(bitmaps);
            boolean here = random.nextInt(4) > 0;
            Map<String, Model> sources = here ? bitmaps : other.bitmaps;
            String source =
                    here && latest != null && bitmaps.containsKey(latest) && random.nextBoolean()
                            ? latest
                            : any(sources);
            // Marks come last, and would leave nothing to merge.
            int what = random.nextInt(marked.size() > 1 ? 8 : 11);
            if (target == null || what == 0) {
                String made = "b" + names++;
                int granularityBits = granularityBits();
                String point = point();
                say("create %s of %d", made, granularityBits);
                draft.create(bytes(made), 1L << granularityBits, true, reference(point));
                bitmaps.put(made, new Model(granularityBits, true, point, new BitSet()));
                return;
            }
            Model model = Objects.requireNonNull(bitmaps.get(target));
            switch (what) {
                case 1 -> {
                    String point = point();
                    say("clear %s", target);
                    draft.clear(bytes(target), reference(point));
                    marked.remove(target);
                    model.bits = new BitSet();
                    model.point = point;
                }
                case 2, 3, 4, 10 -> {
                    if (source == null
                            || marked.contains(target)
                            || (here && marked.contains(source))) {
                        return;
                    }
                    say("merge %s of %s into %s", source, here ? "this" : "the other", target);
                    draft.merge(bytes(target), here ? draft : foreign, bytes(source));
                    Model from = Objects.requireNonNull(sources.get(source));
                    BitSet added = converted(from, model.granularityBits);
                    added.or(model.bits);
                    model.bits = added;
                    latest = target;
                }
                case 5 -> {
                    if (source == null || (here && marked.contains(source))) {
                        return;
                    }
                    String made = "b" + names++;
                    Model from = Objects.requireNonNull(sources.get(source));
                    Integer granularityBits = random.nextBoolean() ? null : granularityBits();
                    say(
                            "copy %s of %s to %s of %s",
                            source, here ? "this" : "the other", made, granularityBits);
                    draft.copy(
                            here ? draft : foreign,
                            bytes(source),
                            bytes(made),
                            granularityBits == null ? null : 1L << granularityBits,
                            null,
                            null);
                    int of = granularityBits == null ? from.granularityBits : granularityBits;
                    bitmaps.put(made, new Model(of, from.enabled, from.point, converted(from, of)));
                    latest = made;
                }
                case 6 -> {
                    // Often to a name that another one had.
                    String made =
                            random.nextBoolean() ? "b" + random.nextInt(names) : "b" + names++;
                    if (bitmaps.containsKey(made)) {
                        return;
                    }
                    say("rename %s to %s", target, made);
                    draft.rename(bytes(target), bytes(made));
                    rename(bitmaps, target, made);
                    if (marked.remove(target)) {
                        marked.add(made);
                    }
                }
                case 7 -> {
                    say("delete %s", target);
                    draft.delete(bytes(target));
                    bitmaps.remove(target);
                    marked.remove(target);
                }
                case 8 -> {
                    if (!marked.contains(target)) {
                        mark(draft, target, model);
                    }
                }
                default -> {
                    say("replace %s", target);
                    BitSet bits = bits(model.granularityBits);
                    Geometry geometry = new Geometry(size, model.granularityBits, 9);
                    byte[] raw = Arrays.copyOf(bits.toByteArray(), (int) geometry.bytes());
                    draft.replace(
                            bytes(target), new RawBits(new MemoryImageFile(raw), geometry), null);
                    marked.remove(target);
                    model.bits = bits;
                    model.point = null;
                }
            }
        }

        private void mark(BitmapsDraft draft, String target, Model model) throws Exception {
            boolean dirty = random.nextBoolean();
            List<Extent> ranges = new ArrayList<>();
            BitSet marks = new BitSet();
            int bits = bitCount(model.granularityBits);
            for (int i = random.nextInt(5); i >= 0; i--) {
                long one = random.nextInt(4) == 0 ? size : random.nextLong(size + 1);
                long two = random.nextInt(4) == 0 ? 0 : random.nextLong(size + 1);
                ranges.add(new Extent(Math.min(one, two), Math.abs(one - two), dirty));
            }
            for (int bit = 0; bit < bits; bit++) {
                long start = (long) bit << model.granularityBits;
                long end = Math.min(size, start + (1L << model.granularityBits));
                if (dirty
                        ? ranges.stream()
                                .anyMatch(
                                        r -> r.length() > 0 && r.offset() < end && r.end() > start)
                        : covered(ranges, start, end)) {
                    marks.set(bit);
                }
            }
            say("mark %s %s %s", target, dirty, ranges);
            draft.mark(bytes(target), ranges, dirty, null);
            marked.add(target);
            if (dirty) {
                model.bits.or(marks);
            } else {
                model.bits.andNot(marks);
                model.point = null;
            }
        }

        /// Whether the union of the ranges has all of these bytes.
        private static boolean covered(List<Extent> ranges, long start, long end) {
            long at = start;
            boolean moved = true;
            while (at < end && moved) {
                moved = false;
                for (Extent range : ranges) {
                    if (range.offset() <= at && range.end() > at) {
                        at = range.end();
                        moved = true;
                    }
                }
            }
            return at >= end;
        }

        private void assertSame(Disk disk) throws IOException {
            String as = "%s: disk of %d, %s".formatted(name, size, said);
            Image image = Image.open(disk.file(), false).orElseThrow();
            assertThat(Check.run(disk.file()).consistent()).as(as).isTrue();
            List<String> found = new ArrayList<>();
            for (int i = 0; i < image.bitmaps().count(); i++) {
                Bitmap bitmap = image.bitmaps().get(i);
                String bitmapName = new String(bitmap.name(), UTF_8);
                found.add(bitmapName);
                assertThat(bitmap.state()).as(as).isEqualTo(BitmapState.CONSISTENT);
                Model model =
                        Objects.requireNonNull(
                                disk.bitmaps.get(bitmapName), as + ", " + bitmapName);
                assertThat(bitmap.granularityBits()).as(as).isEqualTo(model.granularityBits);
                assertThat(bitmap.enabled()).as(as).isEqualTo(model.enabled);
                ReferencePoint point = image.referencePoints().get(bitmap.name());
                assertThat(point == null ? null : point.lastBackup())
                        .as("%s, %s", as, bitmapName)
                        .isEqualTo(model.point);
                assertThat(read(bitmap, disk.file()))
                        .as("%s, %s", as, bitmapName)
                        .isEqualTo(model.bits);
                assertNothingBeyondTheEnd(bitmap, disk.file(), as);
            }
            assertThat(found).as(as).containsExactlyElementsOf(disk.bitmaps.keySet());
        }

        private static BitSet read(Bitmap bitmap, ImageFile file) throws IOException {
            BitmapReader reader = bitmap.reader(file);
            Geometry geometry = bitmap.geometry();
            var scanner =
                    new ExtentScanner(
                            (bit, bits) -> reader.read(bit, bits, System.nanoTime() + (1L << 60)),
                            geometry,
                            Selection.DIRTY,
                            0,
                            geometry.virtualSize());
            BitSet bits = new BitSet();
            for (Extent extent = scanner.next(); extent != null; extent = scanner.next()) {
                bits.set(
                        (int) geometry.bitOf(extent.offset()),
                        (int) geometry.firstBitFrom(extent.end()));
            }
            return bits;
        }

        /// The bits past the last are zeros in the file (`qcow2.md` 2.6).
        private static void assertNothingBeyondTheEnd(Bitmap bitmap, ImageFile file, String as)
                throws IOException {
            Geometry geometry = bitmap.geometry();
            ByteBuffer entry = ByteBuffer.allocate(Long.BYTES);
            long last = geometry.tableSize() - 1;
            long at = bitmap.entry().tableOffset() + last * Long.BYTES;
            file.read(at, entry);
            if (TableEntry.parse(entry.getLong(0), geometry.clusterBits(), at)
                    instanceof TableEntry.Data(long hostOffset)) {
                byte[] data = new byte[1 << geometry.clusterBits()];
                file.read(hostOffset, ByteBuffer.wrap(data));
                int used = (int) (geometry.bits() - last * geometry.bitsPerCluster());
                assertThat(BitSet.valueOf(data).length()).as(as).isLessThanOrEqualTo(used);
            }
        }

        private BitSet converted(Model from, int granularityBits) {
            BitSet to = new BitSet();
            for (int bit = from.bits.nextSetBit(0); bit >= 0; bit = from.bits.nextSetBit(bit + 1)) {
                long start = (long) bit << from.granularityBits;
                long end = Math.min(size, start + (1L << from.granularityBits));
                to.set(
                        (int) (start >>> granularityBits),
                        (int) ((end - 1) >>> granularityBits) + 1);
            }
            return to;
        }

        private List<Extent> extents(BitSet bits, int granularityBits) {
            List<Extent> extents = new ArrayList<>();
            for (int bit = bits.nextSetBit(0); bit >= 0; bit = bits.nextSetBit(bit + 1)) {
                long start = (long) bit << granularityBits;
                long end = Math.min(size, start + (1L << granularityBits));
                extents.add(new Extent(start, end - start, true));
            }
            return extents;
        }

        private int granularityBits() {
            return Math.min(31, finest + random.nextInt(7));
        }

        private int bitCount(int granularityBits) {
            return Math.toIntExact(new Geometry(size, granularityBits, 9).bits());
        }

        /// None, all, single ones or long rows.
        private BitSet bits(int granularityBits) {
            int count = bitCount(granularityBits);
            BitSet bits = new BitSet();
            switch (random.nextInt(4)) {
                case 0 -> {}
                case 1 -> bits.set(0, count);
                case 2 -> {
                    for (int i = random.nextInt(20); i >= 0; i--) {
                        bits.set(random.nextInt(count));
                    }
                    bits.set(count - 1);
                }
                default -> {
                    for (int i = random.nextInt(4); i >= 0; i--) {
                        int from = random.nextInt(count);
                        bits.set(from, from + 1 + random.nextInt(count - from));
                    }
                }
            }
            return bits;
        }

        private @Nullable String any(Map<String, Model> bitmaps) {
            return bitmaps.isEmpty()
                    ? null
                    : List.copyOf(bitmaps.keySet()).get(random.nextInt(bitmaps.size()));
        }

        private @Nullable String point() {
            // A cluster of 512 bytes has room for few.
            return random.nextInt(3) == 0 && disks.stream().noneMatch(this::isSmall)
                    ? "p" + random.nextInt(1000)
                    : null;
        }

        private boolean isSmall(Disk disk) {
            try {
                return Image.open(disk.file(), false).orElseThrow().header().clusterBits() < 12;
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }

        @SuppressWarnings("AnnotateFormatMethod")
        private void say(String text, @Nullable Object... values) {
            said.add(text.formatted(values));
        }
    }

    /// Keeps the order.
    private static void rename(Map<String, Model> bitmaps, String from, String to) {
        Map<String, Model> all = new LinkedHashMap<>(bitmaps);
        bitmaps.clear();
        all.forEach((name, model) -> bitmaps.put(name.equals(from) ? to : name, model));
    }

    private static @Nullable ReferencePoint reference(@Nullable String point) {
        return point == null ? null : new ReferencePoint(point, null, null, Instant.EPOCH);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
