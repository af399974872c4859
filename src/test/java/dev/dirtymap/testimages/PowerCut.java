package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.testimages.UnsyncedChanges.Content;
import dev.dirtymap.testimages.UnsyncedChanges.History;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/// What can be on the disk when the power is lost while a program writes a file.
///
/// Everything before a sync is on the disk once the sync has returned. Of what was written since, each sector of 512
/// bytes by itself holds any of its versions, the old one or that of any write since, and the file has any of its
/// lengths; a sector that was never written reads as zeros. A discard is a write of zeros. The worst that a disk may
/// do but no more: no sector is torn, no other sector suffers, and a sync does not lie.
///
/// Between two syncs that is every subset of sectors, so every moment between them is covered too. All are tried while
/// there are at most [#atMost] of them, else that many: each prefix of the writes (so nothing and everything too), each
/// changed sector alone, all but each, and random subsets.
///
/// ```java
/// var base = MemoryImageFile.copyOf(image);
/// var file = new RecordingImageFile(new OverlayImageFile(base));
/// change(file);
/// PowerCut.of(base, file.events(), seed).states().forEach(state ->
///         assertThat(read(state.file())).as(state.name()).isIn(before, after));
/// ```
public final class PowerCut {

    private static final int LIMIT = 1024;

    private final ImageFile base;
    private final List<DiskEvent> events;
    private final long seed;
    private final int limit;

    private PowerCut(ImageFile base, List<DiskEvent> events, long seed, int limit) {
        this.base = base;
        this.events = List.copyOf(events);
        this.seed = seed;
        this.limit = limit;
    }

    /// One possible content of the disk.
    ///
    /// @param name tells when the power was lost and what was on the disk, as in `after event 7 of 12, sectors {3, 9}`;
    ///     where a sector was written more than once, `9@5` is what event 5 wrote
    /// @param ordered whether everything up to some event is there and nothing after it, as when a program is killed
    /// @param file the content, the test's own to change
    public record State(String name, boolean ordered, OverlayImageFile file) {}

    /// The states of a file of any size.
    ///
    /// @param base the file before the first event; must not change any more
    /// @param seed of the random subsets, and part of the names of those that are too long to spell out
    public static PowerCut of(ImageFile base, List<DiskEvent> events, long seed) {
        return new PowerCut(base, events, seed, LIMIT);
    }

    /// All states of a small file.
    public static Stream<State> states(byte[] base, List<DiskEvent> events, long seed) {
        return of(new MemoryImageFile(base), events, seed).states();
    }

    /// Fewer states, or more.
    ///
    /// @param choices to try between two syncs, 1024 if not said otherwise. Prefixes of the writes come first and are
    ///     never left out
    public PowerCut atMost(int choices) {
        return new PowerCut(base, events, seed, choices);
    }

    /// The states in the order of time, each content once. They are made one by one as they are asked for.
    public Stream<State> states() {
        Set<Fingerprint> seen = new HashSet<>();
        return periods().stream()
                .flatMap(period ->
                        period.changes
                                .choices(limit, seed)
                                .filter(choice -> seen.add(period.fingerprint(choice)))
                                .map(period::state));
    }

    /// The file after the last event, whatever was synced.
    public OverlayImageFile complete() {
        var file = new OverlayImageFile(base);
        try {
            for (DiskEvent event : events) {
                file.apply(event);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return file;
    }

    private List<Period> periods() {
        List<Period> periods = new ArrayList<>();
        var latest = new OverlayImageFile(base);
        Fingerprint fingerprint = Fingerprint.NONE;
        int first = 1;
        try {
            while (first <= events.size() || periods.isEmpty()) {
                OverlayImageFile synced = latest.copy();
                var sectors = new TreeMap<Long, History<Content>>();
                var lengths = new History<>(synced.size());
                int event = first;
                while (event <= events.size()
                        && !(events.get(event - 1) instanceof DiskEvent.Sync)) {
                    for (long index : latest.apply(events.get(event - 1))) {
                        sectors.computeIfAbsent(
                                        index, i -> new History<>(Content.of(i, synced.sector(i))))
                                .add(event, Content.of(index, latest.sector(index)));
                    }
                    if (latest.size() != lengths.last()) {
                        lengths.add(event, latest.size());
                    }
                    event++;
                }
                var changes =
                        new UnsyncedChanges(first, event - 1, events.size(), sectors, lengths);
                var period = new Period(synced, fingerprint, changes);
                periods.add(period);
                fingerprint = period.contentAfter();
                first = event + 1;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return periods;
    }

    /// From one sync to the next.
    ///
    /// @param synced what is on the disk for sure
    /// @param content of that, without its length
    private record Period(OverlayImageFile synced, Fingerprint content, UnsyncedChanges changes) {

        State state(UnsyncedChanges.Choice choice) {
            return new State(
                    changes.name(choice),
                    choice.event() >= 0,
                    synced.with(changes.chosen(choice), changes.length(choice)));
        }

        Fingerprint fingerprint(UnsyncedChanges.Choice choice) {
            return content.and(changes.difference(choice))
                    .and(Fingerprint.ofLength(changes.length(choice)));
        }

        /// With everything.
        Fingerprint contentAfter() {
            Fingerprint sum = content;
            for (History<Content> sector : changes.sectors().values()) {
                sum = sum.and(sector.version(0).fingerprint()).and(sector.last().fingerprint());
            }
            return sum;
        }
    }
}
