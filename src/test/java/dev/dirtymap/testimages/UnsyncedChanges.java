package dev.dirtymap.testimages;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/// What changed between two syncs, and which mixtures of it are tried.
///
/// @param first the number of the first event after the earlier sync, counted from 1
/// @param last the number of the last event before the later sync
/// @param of how many events there are at all
/// @param sectors by index, what each that changed has held
/// @param lengths of the file in bytes
record UnsyncedChanges(
        int first,
        int last,
        int of,
        SortedMap<Long, History<Content>> sectors,
        History<Long> lengths) {

    /// More sectors than this are not spelled out in a name.
    private static final int SPELLED = 12;

    /// What one sector holds.
    ///
    /// @param bytes not to be changed
    record Content(byte[] bytes, Fingerprint fingerprint) {

        static Content of(long index, byte[] bytes) {
            return new Content(bytes, Fingerprint.of(index, bytes));
        }
    }

    /// The versions of one thing in the order of time, the first being what the earlier sync left.
    static final class History<T> {

        private final List<T> versions = new ArrayList<>();
        private final List<Integer> events = new ArrayList<>();

        History(T synced) {
            add(0, synced);
        }

        void add(int event, T version) {
            versions.add(version);
            events.add(event);
        }

        int count() {
            return versions.size();
        }

        T version(int number) {
            return versions.get(number);
        }

        T last() {
            return versions.getLast();
        }

        /// Which event made this version.
        int event(int number) {
            return events.get(number);
        }

        /// Which version an event left.
        int after(int event) {
            int number = 0;
            while (number + 1 < events.size() && events.get(number + 1) <= event) {
                number++;
            }
            return number;
        }
    }

    /// One mixture: the numbers of the versions of the sectors in order, and of the length.
    ///
    /// @param event up to which everything is there and nothing after it, or -1
    /// @param label where it comes from, if it is too long to be spelled out
    record Choice(int[] versions, int length, int event, String label) {}

    long length(Choice choice) {
        return lengths.version(choice.length);
    }

    /// The sectors that do not hold what the earlier sync left.
    SortedMap<Long, byte[]> chosen(Choice choice) {
        var chosen = new TreeMap<Long, byte[]>();
        int i = 0;
        for (var sector : sectors.entrySet()) {
            if (choice.versions[i] > 0) {
                chosen.put(sector.getKey(), sector.getValue().version(choice.versions[i]).bytes());
            }
            i++;
        }
        return chosen;
    }

    /// How a choice changes the fingerprint of all sectors. What is behind the end of the file does not count.
    Fingerprint difference(Choice choice) {
        Fingerprint sum = Fingerprint.NONE;
        int i = 0;
        for (var sector : sectors.entrySet()) {
            long visible = length(choice) - sector.getKey() * OverlayImageFile.SECTOR;
            int version = choice.versions[i++];
            if (version > 0 && visible > 0) {
                Content content = sector.getValue().version(version);
                sum = sum.and(sector.getValue().version(0).fingerprint());
                sum =
                        sum.and(
                                visible >= OverlayImageFile.SECTOR
                                        ? content.fingerprint()
                                        : Fingerprint.of(
                                                sector.getKey(),
                                                OverlayImageFile.cut(
                                                        content.bytes(), (int) visible)));
            }
        }
        return sum;
    }

    /// All mixtures if there are no more than the limit, else that many; some may give the same content. Those that are
    /// there when nothing is reordered come first.
    Stream<Choice> choices(int limit, long seed) {
        List<History<Content>> histories = List.copyOf(sectors.values());
        Stream<Choice> prefixes =
                IntStream.rangeClosed(first - 1, last)
                        .mapToObj(event ->
                                new Choice(
                                        histories.stream()
                                                .mapToInt(history -> history.after(event))
                                                .toArray(),
                                        lengths.after(event),
                                        event,
                                        ""));
        long all = count(limit);
        if (all <= limit) {
            return Stream.concat(
                    prefixes, LongStream.range(0, all).mapToObj(number -> numbered(number)));
        }
        var random = new Random(seed * 31 + first);
        List<Choice> apart = apart(limit / 2, random);
        int left = Math.max(0, limit - apart.size() - (last - first + 2));
        return Stream.of(
                        prefixes,
                        apart.stream(),
                        IntStream.rangeClosed(1, left)
                                .mapToObj(number ->
                                        mixed(
                                                random,
                                                "mixture %d of seed %d".formatted(number, seed))))
                .flatMap(choices -> choices);
    }

    String name(Choice choice) {
        if (choice.event >= 0) {
            return "after event %d of %d, everything".formatted(choice.event, of);
        }
        List<String> there = new ArrayList<>();
        List<String> missing = new ArrayList<>();
        int i = 0;
        for (var sector : sectors.entrySet()) {
            History<Content> history = sector.getValue();
            int version = choice.versions[i++];
            String spelled =
                    version > 0 && history.count() > 2
                            ? sector.getKey() + "@" + history.event(version)
                            : sector.getKey().toString();
            if (version > 0) {
                there.add(spelled);
            }
            if (version < history.count() - 1) {
                missing.add(spelled);
            }
        }
        String what;
        if (there.size() <= SPELLED) {
            what = "sectors " + spell(there);
        } else if (missing.size() <= SPELLED) {
            what = "all sectors but " + spell(missing);
        } else {
            what = "%d of %d sectors, %s".formatted(there.size(), sectors.size(), choice.label);
        }
        return "after event %d of %d, %s%s"
                .formatted(last, of, what, lengths.count() > 1 ? ", length " + length(choice) : "");
    }

    private static String spell(List<String> sectors) {
        return sectors.stream().collect(Collectors.joining(", ", "{", "}"));
    }

    /// How many mixtures there are, or something above the limit.
    private long count(int limit) {
        long count = lengths.count();
        for (History<Content> history : sectors.values()) {
            if (count > limit) {
                break;
            }
            count *= history.count();
        }
        return count;
    }

    private Choice numbered(long number) {
        long rest = number;
        var versions = new int[sectors.size()];
        int i = 0;
        for (History<Content> history : sectors.values()) {
            versions[i++] = (int) (rest % history.count());
            rest /= history.count();
        }
        return new Choice(versions, (int) rest, -1, "");
    }

    /// Each sector alone and all but each, with the first length and the last; of so many a random part.
    private List<Choice> apart(int limit, Random random) {
        List<Choice> choices = new ArrayList<>();
        List<History<Content>> histories = List.copyOf(sectors.values());
        int[] old = new int[histories.size()];
        int[] latest = histories.stream().mapToInt(history -> history.count() - 1).toArray();
        int[] ends = IntStream.of(0, lengths.count() - 1).distinct().toArray();
        for (int length : ends) {
            choices.add(new Choice(old, length, -1, "none"));
            choices.add(new Choice(latest, length, -1, "all"));
        }
        List<Integer> order = new ArrayList<>(IntStream.range(0, old.length).boxed().toList());
        if (4L * order.size() > limit) {
            Collections.shuffle(order, random);
        }
        for (int sector : order) {
            for (int version = 0; version <= latest[sector]; version++) {
                for (int length : ends) {
                    if (choices.size() >= limit) {
                        return choices;
                    }
                    if (version > 0) {
                        choices.add(with(old, sector, version, length));
                    }
                    if (version < latest[sector]) {
                        choices.add(with(latest, sector, version, length));
                    }
                }
            }
        }
        return choices;
    }

    private static Choice with(int[] versions, int sector, int version, int length) {
        int[] changed = versions.clone();
        changed[sector] = version;
        return new Choice(changed, length, -1, "");
    }

    /// A random mixture, of which as likely little as much is on the disk.
    private Choice mixed(Random random, String label) {
        double share = random.nextDouble();
        int[] versions =
                sectors.values().stream()
                        .mapToInt(history ->
                                random.nextDouble() < share
                                        ? 1 + random.nextInt(history.count() - 1)
                                        : 0)
                        .toArray();
        return new Choice(versions, random.nextInt(lengths.count()), -1, label);
    }
}
