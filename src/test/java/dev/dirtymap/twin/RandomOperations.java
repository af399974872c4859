package dev.dirtymap.twin;

import dev.dirtymap.testimages.Range;
import dev.dirtymap.twin.Model.Entry;
import dev.dirtymap.twin.Operation.Source;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// What comes next in a sequence: most of it possible, some of it to be refused.
final class RandomOperations {

    private static final int MOST_BITMAPS = 7;
    private static final String LONGEST_NAME = "n".repeat(1023);
    private static final String LONG_NAME = "n".repeat(1024);
    private static final List<String> NAMES =
            List.of(
                    "a",
                    "b",
                    "daily",
                    "weekly",
                    "täglich",
                    "a b/c",
                    "x".repeat(60),
                    "😀",
                    "d.e",
                    "~",
                    LONGEST_NAME);

    private final Random random;
    private final Layout layout;
    private final List<Model> images;
    private final String tiny;
    private int points;

    /// @param tiny a file that has another size, and a bitmap of that name
    RandomOperations(Random random, Layout layout, List<Model> images, String tiny) {
        this.random = random;
        this.layout = layout;
        this.images = images;
        this.tiny = tiny;
    }

    Operation next(Model image) {
        if (random.nextInt(100) < 8) {
            return refused(image);
        }
        if (random.nextInt(100) < 10) {
            return transaction(image);
        }
        List<Entry> sound = sound(image);
        if (image.entries().size() > MOST_BITMAPS) {
            return random.nextInt(5) == 0
                    ? new Operation.DeleteAll(
                            List.of("INCONSISTENT", "CONSISTENT", "ALL").get(random.nextInt(3)))
                    : new Operation.Delete(any(image.entries()).name());
        }
        if (sound.size() < 2) {
            return create(image);
        }
        String bitmap = any(sound).name();
        return switch (random.nextInt(20)) {
            case 0, 1, 2 -> create(image);
            case 3 -> new Operation.Delete(any(image.entries()).name());
            case 4, 5 -> new Operation.Clear(bitmap, point());
            case 6, 7 -> new Operation.Enable(bitmap, random.nextBoolean());
            case 8 -> new Operation.Rename(bitmap, random.nextInt(5) == 0 ? bitmap : fresh(image));
            case 9, 10, 11 -> merge(image, images, bitmap);
            case 12, 13 -> copy(bitmap, images);
            case 14, 15, 16 -> new Operation.Mark(bitmap, ranges(), random.nextInt(3) > 0);
            case 17, 18 ->
                    new Operation.Replace(bitmap, granules(image.entry(bitmap).granularity()));
            default -> new Operation.Refer(bitmap, point());
        };
    }

    /// Commands for `qemu-io`.
    List<String> guestWrites() {
        List<String> commands = new ArrayList<>();
        for (int i = random.nextInt(4); i >= 0; i--) {
            Range range = range();
            String verb =
                    range.length() > 256 << 10
                            ? random.nextBoolean() ? "write -z" : "discard"
                            : List.of("write", "write", "write -z", "discard")
                                    .get(random.nextInt(4));
            long offset = range.offset();
            long length = Math.min(range.length(), 1L << 30);
            if (layout == Layout.LUKS || random.nextBoolean()) {
                offset &= -512;
                length = Math.min((length + 511) & -512, layout.virtualSize() - offset);
            }
            commands.add("%s %d %d".formatted(verb, offset, length));
        }
        return commands;
    }

    private Operation create(Model image) {
        return new Operation.Create(fresh(image), granularity(), random.nextInt(3) > 0, point());
    }

    private Operation merge(Model image, List<Model> froms, String bitmap) {
        List<Source> sources = new ArrayList<>();
        Model other = other(image, froms);
        for (int i = random.nextInt(3); i >= 0; i--) {
            Model from = random.nextInt(3) == 0 && !sound(other).isEmpty() ? other : image;
            sources.add(new Source(from.file, any(sound(from)).name()));
        }
        return new Operation.Merge(bitmap, sources);
    }

    private static Model other(Model image, List<Model> images) {
        return images.get(images.getFirst().file.equals(image.file) ? 1 : 0);
    }

    private Operation copy(String bitmap, List<Model> tos) {
        Model to = any(tos);
        return new Operation.Copy(
                bitmap,
                to.file,
                fresh(to),
                random.nextBoolean() ? null : granularity(),
                random.nextBoolean() ? null : Boolean.valueOf(random.nextBoolean()));
    }

    private Operation transaction(Model image) {
        Model then = image.copy();
        List<Operation> operations = new ArrayList<>();
        for (int i = 1 + random.nextInt(5); i > 0; i--) {
            Operation one = inTransaction(then, List.of(then, other(then, images)), List.of(then));
            operations.add(one);
            then.apply(one, List.of(then));
        }
        if (random.nextInt(4) == 0) {
            Operation refused = refused(then);
            if (!(refused instanceof Operation.Mark)) {
                operations.add(refused);
            }
        }
        return new Operation.Transaction(operations);
    }

    /// A transaction over both images.
    List<Operation.Part> together() {
        List<Model> then = new ArrayList<>(images.stream().map(Model::copy).toList());
        if (random.nextBoolean()) {
            Collections.reverse(then);
        }
        List<Operation.Part> parts = new ArrayList<>();
        for (Model image : then) {
            for (int i = 1 + random.nextInt(3); i > 0; i--) {
                Operation one = inTransaction(image, then, then);
                parts.add(new Operation.Part(image.file, one));
                image.apply(one, then);
            }
        }
        if (random.nextInt(4) == 0) {
            Operation refused = refused(then.getLast());
            parts.add(new Operation.Part(then.getLast().file, refused));
        }
        return parts;
    }

    /// Something that may be in a transaction.
    ///
    /// @param froms from which images a merge may be
    /// @param tos to which images a copy may go
    private Operation inTransaction(Model then, List<Model> froms, List<Model> tos) {
        List<Entry> sound = sound(then);
        if (sound.isEmpty() || random.nextInt(6) == 0) {
            return create(then);
        }
        String bitmap = any(sound).name();
        return switch (random.nextInt(7)) {
            case 0 -> new Operation.Delete(bitmap);
            case 1 -> new Operation.Clear(bitmap, point());
            case 2 -> new Operation.Enable(bitmap, random.nextBoolean());
            case 3 -> new Operation.Rename(bitmap, fresh(then));
            case 4 -> copy(bitmap, tos);
            default -> merge(then, froms, bitmap);
        };
    }

    /// Something for one reason impossible.
    private Operation refused(Model image) {
        List<Entry> broken = image.entries().stream().filter(Entry::inconsistent).toList();
        List<Entry> sound = sound(image);
        String missing = fresh(image);
        if (!broken.isEmpty() && random.nextBoolean()) {
            String bitmap = any(broken).name();
            return switch (random.nextInt(5)) {
                case 0 -> new Operation.Clear(bitmap, null);
                case 1 -> new Operation.Enable(bitmap, !image.entry(bitmap).enabled());
                case 2 -> new Operation.Create(bitmap, null, true, null);
                case 3 ->
                        new Operation.Merge(
                                sound.isEmpty() ? bitmap : any(sound).name(),
                                List.of(new Source(image.file, bitmap)));
                default -> new Operation.Copy(bitmap, image.file, missing, null, null);
            };
        }
        if (sound.isEmpty()) {
            return new Operation.Delete(missing);
        }
        String bitmap = any(sound).name();
        return switch (random.nextInt(11)) {
            case 0 -> new Operation.Create(bitmap, null, true, null);
            case 1 -> new Operation.Create(LONG_NAME, null, true, null);
            case 2 ->
                    new Operation.Create(
                            missing,
                            List.of(0x100L, 0x600L, 1L << 32, 0x101L).get(random.nextInt(4)),
                            true,
                            null);
            case 3 -> new Operation.Delete(missing);
            case 4 -> new Operation.Clear(missing, null);
            case 5 -> new Operation.Enable(missing, random.nextBoolean());
            case 6 -> new Operation.Merge(missing, List.of(new Source(image.file, bitmap)));
            case 7 ->
                    new Operation.Merge(
                            bitmap,
                            List.of(
                                    new Source(image.file, bitmap),
                                    new Source(image.file, missing)));
            case 8 -> new Operation.Merge(bitmap, List.of(new Source(tiny, "tiny")));
            case 9 -> new Operation.Rename(missing, "renamed");
            default ->
                    sound.size() > 1
                            ? new Operation.Rename(sound.getFirst().name(), sound.getLast().name())
                            : new Operation.Copy(bitmap, image.file, bitmap, null, null);
        };
    }

    private static List<Entry> sound(Model image) {
        return image.entries().stream().filter(entry -> !entry.inconsistent()).toList();
    }

    private String fresh(Model image) {
        List<String> free = NAMES.stream().filter(name -> !image.has(name)).toList();
        return free.isEmpty() ? "extra" + random.nextInt(1_000_000) : any(free);
    }

    private @Nullable Long granularity() {
        return layout.minGranularityBits <= 16 && random.nextInt(4) == 0
                ? null
                : Long.valueOf(
                        1L
                                << (layout.minGranularityBits
                                        + (random.nextBoolean()
                                                ? random.nextInt(6)
                                                : random.nextInt(32 - layout.minGranularityBits))));
    }

    private @Nullable String point() {
        return layout.holdsPoints() && random.nextInt(4) == 0 ? "/backup/" + ++points : null;
    }

    private List<Range> ranges() {
        List<Range> ranges = new ArrayList<>();
        for (int i = random.nextInt(6); i >= 0; i--) {
            ranges.add(range());
        }
        return ranges;
    }

    /// Anywhere, at the ends, or around the border of two granules.
    private Range range() {
        long size = layout.virtualSize();
        long offset =
                switch (random.nextInt(5)) {
                    case 0 -> 0;
                    case 1 -> size - 1 - random.nextLong(Math.min(size, 70_000));
                    case 2 ->
                            Math.max(
                                    0,
                                    (random.nextLong(size) & (-1L << (9 + random.nextInt(12))))
                                            - 1);
                    default -> random.nextLong(size);
                };
        long most = size - offset;
        long length =
                switch (random.nextInt(5)) {
                    case 0 -> 1;
                    case 1 -> 1 + random.nextLong(most);
                    case 2 -> 2;
                    default -> 1 + random.nextLong(Math.min(most, 1L << (9 + random.nextInt(12))));
                };
        return new Range(offset, Math.min(most, length), true);
    }

    /// Whole granules, no two runs touching.
    private List<Range> granules(long granularity) {
        long bits = Math.ceilDiv(layout.virtualSize(), granularity);
        List<Range> runs = new ArrayList<>();
        long at = random.nextLong(bits);
        if (random.nextInt(4) == 0) {
            at = 0;
        }
        int most = random.nextInt(60);
        while (at < bits && runs.size() < most) {
            long end = Math.min(bits, at + 1 + random.nextLong(1 + random.nextLong(bits - at)));
            if (random.nextInt(3) > 0) {
                end = Math.min(bits, at + 1 + random.nextLong(3));
            }
            long offset = at * granularity;
            runs.add(
                    new Range(
                            offset,
                            Math.min(end * granularity, layout.virtualSize()) - offset,
                            true));
            at = end + 1 + random.nextLong(1 + Math.min(bits, 100));
        }
        return runs;
    }

    private <T> T any(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }
}
