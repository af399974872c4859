package dev.dirtymap.twin;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/// What one image should list, apart from the bits: the operations as the contract describes them.
final class Model {

    /// A bitmap.
    ///
    /// @param point the last backup of its reference point
    record Entry(
            String name,
            long granularity,
            boolean enabled,
            boolean inconsistent,
            @Nullable String point) {

        private Entry named(String other) {
            return new Entry(other, granularity, enabled, inconsistent, point);
        }

        private Entry with(boolean on) {
            return new Entry(name, granularity, on, inconsistent, point);
        }

        private Entry with(@Nullable String other) {
            return new Entry(name, granularity, enabled, inconsistent, other);
        }
    }

    final String file;
    private final long defaultGranularity;
    private final List<Entry> entries;

    /// Names in QEMU's order on the twin, where a renamed bitmap is a new one.
    private final List<String> twinOrder;

    private Model(
            String file, long defaultGranularity, List<Entry> entries, List<String> twinOrder) {
        this.file = file;
        this.defaultGranularity = defaultGranularity;
        this.entries = new ArrayList<>(entries);
        this.twinOrder = new ArrayList<>(twinOrder);
    }

    Model(String file, int clusterSize) {
        this(file, Math.clamp(clusterSize, 4096, 65536), List.of(), List.of());
    }

    Model copy() {
        return new Model(file, defaultGranularity, entries, twinOrder);
    }

    /// In directory order.
    List<Entry> entries() {
        return List.copyOf(entries);
    }

    List<String> twinOrder() {
        return List.copyOf(twinOrder);
    }

    Entry entry(String name) {
        return entries.get(index(name));
    }

    boolean has(String name) {
        return entries.stream().anyMatch(entry -> entry.name.equals(name));
    }

    private int index(String name) {
        for (int i = 0; i < entries.size(); i++) {
            if (entries.get(i).name.equals(name)) {
                return i;
            }
        }
        throw new NoSuchElementException(name);
    }

    /// The writer died.
    void breakBitmap(String name) {
        Entry old = entry(name);
        entries.set(
                index(name), new Entry(old.name, old.granularity, old.enabled, true, old.point));
    }

    private void add(Entry entry) {
        entries.add(entry);
        twinOrder.add(entry.name);
    }

    private void change(Entry entry) {
        entries.set(index(entry.name), entry);
    }

    private void remove(String name) {
        entries.remove(index(name));
        twinOrder.remove(name);
    }

    /// Does an operation that is not refused.
    ///
    /// @param images those among which a copy may go
    void apply(Operation operation, List<Model> images) {
        switch (operation) {
            case Operation.Create(String bitmap, Long granularity, boolean enabled, String point) ->
                    add(
                            new Entry(
                                    bitmap,
                                    granularity == null ? defaultGranularity : granularity,
                                    enabled,
                                    false,
                                    point));
            case Operation.Delete(String bitmap) -> remove(bitmap);
            case Operation.DeleteAll(String state) ->
                    entries().stream()
                            .filter(entry -> isIn(entry, state))
                            .forEach(entry -> remove(entry.name));
            case Operation.Clear(String bitmap, String point) -> change(entry(bitmap).with(point));
            case Operation.Enable(String bitmap, boolean enabled) ->
                    change(entry(bitmap).with(enabled));
            case Operation.Rename(String bitmap, String name) -> {
                if (!bitmap.equals(name)) {
                    entries.set(index(bitmap), entry(bitmap).named(name));
                    twinOrder.remove(bitmap);
                    twinOrder.add(name);
                }
            }
            case Operation.Refer(String bitmap, String point) -> change(entry(bitmap).with(point));
            case Operation.Merge _ -> {}
            case Operation.Copy copy -> {
                Entry from = entry(copy.bitmap());
                Entry made =
                        new Entry(
                                copy.name(),
                                copy.granularity() == null ? from.granularity : copy.granularity(),
                                copy.enabled() == null ? from.enabled : copy.enabled(),
                                false,
                                from.point);
                images.stream()
                        .filter(image -> image.file.equals(copy.image()))
                        .forEach(image -> image.add(made));
            }
            case Operation.Mark(String bitmap, var _, boolean dirty) -> {
                if (!dirty) {
                    change(entry(bitmap).with((String) null));
                }
            }
            case Operation.Replace(String bitmap, var _) ->
                    change(entry(bitmap).with((String) null));
            case Operation.Transaction(List<Operation> operations) ->
                    operations.forEach(one -> apply(one, images));
        }
    }

    static boolean isIn(Entry entry, String state) {
        return state.equals("ALL") || entry.inconsistent == state.equals("INCONSISTENT");
    }
}
