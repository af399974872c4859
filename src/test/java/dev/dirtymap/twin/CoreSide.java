package dev.dirtymap.twin;

import static dev.dirtymap.twin.QemuSide.bytes;

import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapDirectory;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.Changes;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ExtentScanner;
import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.qcow2.ReferencePoint;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

final class CoreSide implements OurSide {

    private final Path folder;

    CoreSide(Path folder) {
        this.folder = folder;
    }

    private static @Nullable ReferencePoint point(@Nullable String p) {
        return p == null ? null : new ReferencePoint(p, null, null, Instant.EPOCH);
    }

    @Override
    public String apply(String file, Operation operation) {
        try {
            if (operation instanceof Operation.Copy copy && !copy.image().equals(file)) {
                try (FileChannel channel = FileChannel.open(folder.resolve(file))) {
                    ImageFile from = ImageFile.of(channel);
                    BitmapsDraft source =
                            new BitmapsDraft(Image.open(from, false).orElseThrow(), from);
                    Changes.change(
                            folder.resolve(copy.image()),
                            draft ->
                                    draft.copy(
                                            source,
                                            bytes(copy.bitmap()),
                                            bytes(copy.name()),
                                            copy.granularity(),
                                            copy.enabled(),
                                            null));
                }
                return "";
            }
            Changes.change(folder.resolve(file), draft -> apply(file, draft, operation));
            return "";
        } catch (IllegalArgumentException e) {
            return "invalid-request";
        } catch (ChangeRefusedException e) {
            return switch (e.kind()) {
                case BITMAP_UNUSABLE -> "bitmap-inconsistent";
                default -> e.kind().name().toLowerCase().replace('_', '-');
            };
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void apply(String file, BitmapsDraft draft, Operation operation)
            throws ChangeRefusedException, IOException {
        switch (operation) {
            case Operation.Create(String b, Long g, boolean enabled, String p) ->
                    draft.create(bytes(b), g, enabled, point(p));
            case Operation.Delete(String b) -> draft.delete(bytes(b));
            case Operation.DeleteAll(String state) ->
                    draft.deleteAll(
                            s ->
                                    state.equals("ALL")
                                            || (s == BitmapState.INCONSISTENT)
                                                    == state.equals("INCONSISTENT"));
            case Operation.Clear(String b, String p) -> draft.clear(bytes(b), point(p));
            case Operation.Enable(String b, boolean on) -> draft.enable(bytes(b), on);
            case Operation.Rename(String b, String n) -> draft.rename(bytes(b), bytes(n));
            case Operation.Refer(String b, String p) -> draft.refer(bytes(b), point(p));
            case Operation.Merge(String b, var sources) -> {
                for (Operation.Source source : sources) {
                    if (source.image().equals(file)) {
                        draft.merge(bytes(b), draft, bytes(source.bitmap()));
                    } else {
                        ImageFile other;
                        try (FileChannel channel = FileChannel.open(folder.resolve(source.image()))) {
                            other = dev.dirtymap.testimages.MemoryImageFile.copyOf(folder.resolve(source.image()));
                        }
                        draft.merge(
                                bytes(b),
                                new BitmapsDraft(Image.open(other, false).orElseThrow(), other),
                                bytes(source.bitmap()));
                    }
                }
            }
            case Operation.Copy c ->
                    draft.copy(
                            draft,
                            bytes(c.bitmap()),
                            bytes(c.name()),
                            c.granularity(),
                            c.enabled(),
                            null);
            case Operation.Mark(String b, var ranges, boolean dirty) ->
                    draft.mark(
                            bytes(b),
                            ranges.stream()
                                    .map(r -> new Extent(r.offset(), r.length(), true))
                                    .toList(),
                            dirty,
                            null);
            case Operation.Replace(String b, var ranges) -> {
                draft.clear(bytes(b), null);
                if (!ranges.isEmpty()) {
                    draft.mark(
                            bytes(b),
                            ranges.stream()
                                    .map(r -> new Extent(r.offset(), r.length(), true))
                                    .toList(),
                            true,
                            null);
                }
            }
            case Operation.Transaction(var all) -> {
                for (Operation one : all) {
                    apply(file, draft, one);
                }
            }
        }
    }

    private interface Reading<T> {
        T of(ImageFile file, Image image, BitmapDirectory directory) throws IOException;
    }

    private <T> T read(String file, Reading<T> reading) {
        try (FileChannel channel =
                FileChannel.open(folder.resolve(file), StandardOpenOption.READ)) {
            ImageFile f = ImageFile.of(channel);
            Image image = Image.open(f, false).orElseThrow();
            return reading.of(f, image, image.bitmaps());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public List<Model.Entry> list(String file) {
        return read(
                file,
                (f, image, directory) -> {
                    BitmapsDraft draft = new BitmapsDraft(image, f);
                    List<Model.Entry> all = new ArrayList<>();
                    for (int i = 0; i < directory.count(); i++) {
                        Bitmap b = directory.get(i);
                        ReferencePoint p = draft.referencePoint(b.name());
                        all.add(
                                new Model.Entry(
                                        new String(b.name(), java.nio.charset.StandardCharsets.UTF_8),
                                        1L << b.granularityBits(),
                                        b.enabled(),
                                        b.state() == BitmapState.INCONSISTENT,
                                        p == null ? null : p.lastBackup()));
                    }
                    return all;
                });
    }

    @Override
    public byte[] bits(String file, String bitmap) {
        return read(
                file,
                (f, image, directory) -> {
                    Bitmap b = directory.get(directory.find(bytes(bitmap)));
                    Geometry g = b.geometry();
                    byte[] bits = new byte[(int) ((g.bits() + 7) / 8)];
                    for (Range r : ranges(f, b)) {
                        long end = (r.end() + g.granularity() - 1) / g.granularity();
                        for (long i = r.offset() / g.granularity(); i < end; i++) {
                            bits[(int) (i / 8)] |= (byte) (1 << i % 8);
                        }
                    }
                    return bits;
                });
    }

    private static List<Range> ranges(ImageFile f, Bitmap b) throws IOException {
        var reader = b.reader(f);
        var scanner =
                new ExtentScanner(
                        (bit, run) ->
                                reader.read(bit, run, System.nanoTime() + Long.MAX_VALUE / 2),
                        b.geometry(),
                        ExtentScanner.Selection.DIRTY,
                        0,
                        b.geometry().virtualSize());
        List<Range> all = new ArrayList<>();
        for (Extent e = scanner.next(); e != null; e = scanner.next()) {
            all.add(new Range(e.offset(), e.length(), true));
        }
        return all;
    }

    @Override
    public List<Range> dirty(String file, String bitmap) {
        return read(
                file,
                (f, _, directory) -> ranges(f, directory.get(directory.find(bytes(bitmap)))));
    }
}
