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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The two sets of images: ours, changed through HTTP, and the twins, changed by QEMU.
final class Twins implements AutoCloseable {

    private static final String IMAGE = "image.qcow2";
    private static final String OTHER = "other.qcow2";
    private static final String TINY = "tiny.qcow2";

    /// What QEMU says where we say this.
    static final Map<String, String> REFUSALS =
            Map.of(
                    "", "",
                    "bitmap-exists", ".*already exists.*",
                    "bitmap-not-found", ".*not found.*",
                    "bitmap-inconsistent", ".*inconsistent and cannot be used.*",
                    "size-mismatch", ".*are of different sizes.*",
                    "limit-exceeded", ".*Too much space will be occupied.*",
                    "image-version", ".*Cannot store dirty bitmaps in qcow2 v2 files.*",
                    "invalid-request",
                            ".*(Granularity must be|Name length exceeds|cannot be empty|uint32).*");

    /// The name of no bitmap.
    private static final String NONE = "";

    private static final LoadedBitmap MISSING = new LoadedBitmap(0, false, false, 0, "");

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
    private int operations;

    Twins(Layout layout, long seed, Server server, Path twinFolder) {
        this.layout = layout;
        this.ourFolder = server.newFolder();
        this.twinFolder = twinFolder;
        this.ours = new HttpSide(server.port(), ourFolder.getFileName().toString());
        this.random = new Random(seed * 1000 + layout.virtualSize());
        done.add(layout + ", seed " + seed);
        create();
        images =
                List.of(
                        new Model(IMAGE, new ImageBytes(ourFolder.resolve(IMAGE)).clusterSize()),
                        new Model(OTHER, 4096));
        next = new RandomOperations(random, layout, images, TINY);
        reader = new QemuSide(ourFolder);
        twin = new QemuSide(twinFolder);
    }

    private void create() {
        QemuImg qemu = new QemuImg(ourFolder);
        layout.create(qemu, IMAGE);
        qemu.create(
                OTHER, Long.toString(layout.virtualSize()), "cluster_size=4k", "refcount_bits=8");
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

    /// How many operations there were, those of transactions too.
    int operations() {
        return operations;
    }

    /// What was done so far.
    String story() {
        return String.join("\n", done);
    }

    /// Bitmaps to begin with, one of them perhaps void.
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
        if (random.nextInt(20) == 0) {
            doesTogether(next.together());
        } else {
            does(image, next.next(image));
        }
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
        boolean rehearsed = operation instanceof Operation.Transaction && !refusal.isEmpty();
        agree(
                refusal,
                rehearsed
                        ? rehearse(List.of(new Operation.Part(image.file, operation)))
                        : twin.apply(image.file, operation, result));
        Model to = operation instanceof Operation.Copy copy ? model(copy.image()) : image;
        if (refusal.isEmpty()) {
            image.apply(operation, images);
        }
        compare(to, refusal.isEmpty() ? target(operation) : NONE);
    }

    /// One transaction over several images, for which QEMU has but the single steps.
    private void doesTogether(List<Operation.Part> parts) throws Exception {
        done.add(parts.toString());
        operations += parts.size();
        String refusal = ours.applyTogether(parts);
        agree(refusal, refusal.isEmpty() ? applyInTurn(parts) : rehearse(parts));
        if (refusal.isEmpty()) {
            for (Operation.Part part : parts) {
                model(part.file()).apply(part.operation(), images);
            }
        }
        for (Model image : images) {
            compare(image, refusal.isEmpty() ? null : NONE);
        }
    }

    private static void agree(String refusal, String said) {
        assertThat(REFUSALS).as("QEMU says: " + said).containsKey(refusal);
        assertThat(said).matches("(?s)" + REFUSALS.get(refusal));
    }

    private String applyInTurn(List<Operation.Part> parts) {
        String refusal = "";
        for (Operation.Part part : parts) {
            if (!refusal.isEmpty()) {
                throw new AssertionError("refused too early: " + refusal);
            }
            refusal = twin.apply(part.file(), part.operation(), null);
        }
        return refusal;
    }

    /// What QEMU says to operations whose first ones it does, tried on copies of the twins.
    private String rehearse(List<Operation.Part> parts) throws IOException {
        for (Model image : images) {
            Files.copy(
                    twinFolder.resolve(image.file),
                    twinFolder.resolve(scratch(image.file)),
                    StandardCopyOption.REPLACE_EXISTING);
        }
        return applyInTurn(
                parts.stream()
                        .map(part ->
                                new Operation.Part(
                                        scratch(part.file()), onScratch(part.operation())))
                        .toList());
    }

    private static String scratch(String file) {
        return file.equals(TINY) ? file : "scratch-" + file;
    }

    private static Operation onScratch(Operation operation) {
        return switch (operation) {
            case Operation.Transaction(var all) ->
                    new Operation.Transaction(all.stream().map(Twins::onScratch).toList());
            case Operation.Merge(var bitmap, var sources) ->
                    new Operation.Merge(
                            bitmap,
                            sources.stream()
                                    .map(source ->
                                            new Operation.Source(
                                                    scratch(source.image()), source.bitmap()))
                                    .toList());
            case Operation.Copy copy ->
                    new Operation.Copy(
                            copy.bitmap(),
                            scratch(copy.image()),
                            copy.name(),
                            copy.granularity(),
                            copy.enabled());
            default -> operation;
        };
    }

    private Model model(String file) {
        return images.get(file.equals(IMAGE) ? 0 : 1);
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

    /// Compares all of one image but those extents that should be what they were.
    ///
    /// @param changed the one bitmap whose bits may be others than before; null if any may
    private void compare(Model image, @Nullable String changed) throws Exception {
        SequencedMap<String, LoadedBitmap> inOurs = reader.read(image.file);
        SequencedMap<String, LoadedBitmap> inTwin = twin.read(image.file);
        assertThat(inOurs).isEqualTo(inTwin);
        assertThat(List.copyOf(inTwin.sequencedKeySet().reversed())).isEqualTo(image.twinOrder());
        List<Entry> entries = image.entries();
        assertThat(List.copyOf(inOurs.sequencedKeySet().reversed()))
                .isEqualTo(entries.stream().map(Entry::name).toList());
        assertThat(ours.list(image.file)).isEqualTo(entries);
        for (Entry entry : entries) {
            LoadedBitmap loaded = inOurs.getOrDefault(entry.name(), MISSING);
            assertThat(loaded.granularity()).isEqualTo(entry.granularity());
            assertThat(loaded.inconsistent()).isEqualTo(entry.inconsistent());
            if (!entry.inconsistent()) {
                assertThat(loaded.enabled()).isEqualTo(entry.enabled());
                if (changed == null || changed.equals(entry.name())) {
                    compareExtents(image.file, entry, loaded);
                }
            }
        }
        check(image.file);
    }

    /// Compares all, extents too.
    void compareAll() throws Exception {
        for (Model image : images) {
            compare(image, null);
        }
    }

    private void compareExtents(String file, Entry entry, LoadedBitmap loaded) throws Exception {
        long bits = Math.ceilDiv(layout.virtualSize(), entry.granularity());
        byte[] fromExtents = new byte[(int) Math.ceilDiv(bits, 8)];
        HttpSide.set(fromExtents, ours.dirty(file, entry.name()), entry.granularity());
        assertThat(sha256(fromExtents)).isEqualTo(loaded.sha256());
    }

    /// As QEMU reckons it: over whole words of 64 bits.
    private static String sha256(byte[] bits) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update(ByteBuffer.wrap(Arrays.copyOf(bits, (bits.length + 7) & -8)));
        return HexFormat.of().formatHex(digest.digest());
    }

    /// Demands that QEMU and we find neither errors nor leaks in our image.
    private void check(String file) throws IOException {
        new QemuImg(ourFolder).assertClean(file);
        try (FileChannel channel = FileChannel.open(ourFolder.resolve(file))) {
            Check.Report report = Check.run(ImageFile.of(channel));
            assertThat(report.corruptions() + report.leakedClusters() + report.checkErrors())
                    .as("%s", report.errors())
                    .isZero();
        }
    }

    /// Compares bits as well, and extents with those that an NBD client of QEMU sees.
    void end() throws Exception {
        compareAll();
        for (Model image : images) {
            List<String> names =
                    image.entries().stream()
                            .filter(entry -> !entry.inconsistent())
                            .map(Entry::name)
                            .toList();
            SequencedMap<String, LoadedBitmap> inTwin = twin.read(image.file);
            for (String name : names) {
                assertThat(sha256(ours.bits(image.file, name)))
                        .isEqualTo(inTwin.getOrDefault(name, MISSING).sha256());
            }
            assertThat(names.stream().map(name -> ours.dirty(image.file, name)).toList())
                    .isEqualTo(
                            NbdMap.dirty(
                                    twinFolder.resolve(image.file),
                                    names.stream().map(QemuSide::bytes).toList()));
        }
    }

    @Override
    public void close() {
        try (reader) {
            twin.close();
        }
    }
}
