package dev.dirtymap.reliability;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.Client.Answer;
import java.io.UncheckedIOException;
import java.net.http.HttpTimeoutException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;

/// A client with bitmaps of its own in every image, of which it knows every bit. After a change that was not answered,
/// it looks which of the two possible states is there, in all images at once.
///
/// Its bitmaps are disabled, so that QEMU carries them along and changes nothing in them.
final class Owner {

    static final long GRANULARITY = 65536;

    private static final int GRANULES = 1 << 20;
    private static final int MOST_BITMAPS = 4;
    private static final int PATIENCE = 600;

    /// By image, the bitmaps by name.
    private static final class State {
        private final Map<String, Map<String, BitSet>> images = new TreeMap<>();

        State() {
            ReliabilityRun.IMAGES.forEach(image -> images.put(image, new TreeMap<>()));
        }

        /// Another one with the same bits. Bits are replaced, and never changed.
        State copy() {
            State copy = new State();
            images.forEach((image, bitmaps) -> copy.of(image).putAll(bitmaps));
            return copy;
        }

        Map<String, BitSet> of(String image) {
            return Objects.requireNonNull(images.get(image));
        }
    }

    private final int number;
    private final Random random;
    private final Replicas replicas;
    private final Findings findings;
    private State state = new State();
    private int made;

    Owner(int number, Replicas replicas, Findings findings) {
        this.number = number;
        this.random = new Random(ReliabilityRun.SEED * 17 + number);
        this.replicas = replicas;
        this.findings = findings;
    }

    Set<String> names(String image) {
        return state.of(image).keySet();
    }

    /// A change on its way.
    private record Change(String method, String path, String body, State after) {}

    void once() {
        if (random.nextInt(10) == 0) {
            String image = anyImage();
            requireSame(image, read(image), state);
            findings.count("own bitmaps compared");
            return;
        }
        make(random.nextInt(4) == 0 ? transaction() : single(anyImage()));
    }

    private void make(Change change) {
        try {
            Answer answer = replicas.any(random).send(change.method, change.path, change.body);
            switch (answer.status()) {
                case 200, 201, 204 -> {
                    state = change.after;
                    findings.count("changes answered");
                }
                case 423, 503, 507 -> findings.count("changes refused, " + answer.status());
                default ->
                        findings.wrong(
                                "%s %s %s: %d %s"
                                        .formatted(
                                                change.method,
                                                change.path,
                                                change.body,
                                                answer.status(),
                                                new String(answer.body(), UTF_8)));
            }
        } catch (UncheckedIOException cut) {
            findings.require(
                    !(cut.getCause() instanceof HttpTimeoutException),
                    () -> "no answer: " + change.path);
            findings.count("changes cut by a kill");
            settle(change.after);
        }
    }

    /// Finds out what became of a change that was not answered: all of it, or nothing.
    private void settle(State after) {
        Map<String, Map<String, BitSet>> there = new TreeMap<>();
        for (String image : ReliabilityRun.IMAGES) {
            there.put(image, read(image));
        }
        if (there.equals(after.images)) {
            findings.count("cut changes that were made");
            state = after;
        } else if (!there.equals(state.images)) {
            findings.wrong("half done: " + shown(there) + " before: " + shown(state.images));
        }
    }

    private static String shown(Map<String, Map<String, BitSet>> images) {
        Map<String, List<String>> shown = new LinkedHashMap<>();
        images.forEach((image, bitmaps) ->
                shown.put(
                        image,
                        bitmaps.entrySet().stream()
                                .map(one -> one.getKey() + ":" + one.getValue().cardinality())
                                .toList()));
        return shown.toString();
    }

    void compareAll() {
        for (String image : ReliabilityRun.IMAGES) {
            requireSame(image, read(image), state);
        }
    }

    private void requireSame(String image, Map<String, BitSet> there, State expected) {
        findings.require(
                there.equals(expected.of(image)),
                () ->
                        "lost: %s is %s, and should be %s"
                                .formatted(
                                        image,
                                        shown(Map.of(image, there)),
                                        shown(Map.of(image, expected.of(image)))));
    }

    private Map<String, BitSet> read(String image) {
        Set<String> names = new TreeSet<>();
        for (JsonNode bitmap :
                patiently("/v1/images/" + image + "/bitmaps").json().path("bitmaps")) {
            String name = bitmap.path("name").asString();
            if (name.startsWith("o" + number + ".")) {
                names.add(name);
            }
        }
        Map<String, BitSet> bitmaps = new TreeMap<>();
        for (String name : names) {
            bitmaps.put(
                    name,
                    BitSet.valueOf(
                            patiently("/v1/images/%s/bitmaps/%s/bits".formatted(image, name))
                                    .body()));
        }
        return bitmaps;
    }

    /// Asks one after the other until there is an answer.
    private Answer patiently(String path) {
        for (int i = 0; ; i++) {
            try {
                Answer answer = replicas.any(random).get(path);
                if (answer.status() == 200) {
                    return answer;
                }
                if (!Set.of(409, 423, 503).contains(answer.status()) || i >= PATIENCE) {
                    throw new AssertionError(path + ": " + new String(answer.body(), UTF_8));
                }
            } catch (UncheckedIOException killed) {
                if (i >= PATIENCE) {
                    throw killed;
                }
            }
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError(e);
            }
        }
    }

    static BitSet bits(Client client, String image, String bitmap) {
        return BitSet.valueOf(
                client.get("/v1/images/%s/bitmaps/%s/bits".formatted(image, bitmap)).body());
    }

    private String anyImage() {
        return ReliabilityRun.IMAGES.get(random.nextInt(ReliabilityRun.IMAGES.size()));
    }

    private String anyOf(Map<String, BitSet> bitmaps) {
        return List.copyOf(bitmaps.keySet()).get(random.nextInt(bitmaps.size()));
    }

    private String newName() {
        return "o%d.%d".formatted(number, made++);
    }

    private Change single(String image) {
        State after = state.copy();
        Map<String, BitSet> bitmaps = after.of(image);
        String path = "/v1/images/" + image + "/bitmaps";
        if (bitmaps.size() < 2) {
            return create(path, bitmaps, after);
        }
        String bitmap = anyOf(bitmaps);
        String one = path + "/" + bitmap;
        return switch (random.nextInt(6)) {
            case 0 ->
                    bitmaps.size() < MOST_BITMAPS
                            ? create(path, bitmaps, after)
                            : delete(one, bitmap, bitmaps, after);
            case 1 -> clear(one, bitmap, bitmaps, after);
            case 2 -> merge(one, bitmap, bitmaps, after);
            default -> mark(one, bitmap, bitmaps, after);
        };
    }

    private static Change delete(
            String path, String bitmap, Map<String, BitSet> bitmaps, State after) {
        bitmaps.remove(bitmap);
        return new Change("DELETE", path, "", after);
    }

    private static Change clear(
            String path, String bitmap, Map<String, BitSet> bitmaps, State after) {
        bitmaps.put(bitmap, new BitSet());
        return new Change("POST", path + "/clear", "{}", after);
    }

    private Change merge(String path, String bitmap, Map<String, BitSet> bitmaps, State after) {
        String source = anyOf(bitmaps);
        bitmaps.put(bitmap, union(bitmaps, bitmap, source));
        return new Change(
                "POST",
                path + "/merge",
                "{\"sources\":[{\"bitmap\":\"%s\"}]}".formatted(source),
                after);
    }

    private static BitSet union(Map<String, BitSet> bitmaps, String one, String other) {
        BitSet union = (BitSet) Objects.requireNonNull(bitmaps.get(one)).clone();
        union.or(Objects.requireNonNull(bitmaps.get(other)));
        return union;
    }

    private Change create(String path, Map<String, BitSet> bitmaps, State after) {
        String name = newName();
        bitmaps.put(name, new BitSet());
        return new Change(
                "POST",
                path,
                "{\"name\":\"%s\",\"granularity\":%d,\"enabled\":false}"
                        .formatted(name, GRANULARITY),
                after);
    }

    private Change mark(String path, String bitmap, Map<String, BitSet> bitmaps, State after) {
        BitSet bits = (BitSet) Objects.requireNonNull(bitmaps.get(bitmap)).clone();
        boolean dirty = random.nextInt(4) > 0;
        List<String> ranges = new ArrayList<>();
        for (int i = 0; i <= random.nextInt(8); i++) {
            int from = random.nextInt(GRANULES);
            int length = 1 + random.nextInt(Math.min(2000, GRANULES - from));
            bits.set(from, from + length, dirty);
            ranges.add(
                    "{\"offset\":%d,\"length\":%d}"
                            .formatted(from * GRANULARITY, length * GRANULARITY));
        }
        bitmaps.put(bitmap, bits);
        return new Change(
                "POST",
                path + "/mark",
                "{\"ranges\":[%s],\"dirty\":%s}".formatted(String.join(",", ranges), dirty),
                after);
    }

    /// A new bitmap in every image, and in each that has enough an old one is given up for it: all or none.
    private Change transaction() {
        State after = state.copy();
        String name = newName();
        List<String> parts = new ArrayList<>();
        for (String image : ReliabilityRun.IMAGES) {
            Map<String, BitSet> bitmaps = after.of(image);
            List<String> operations = new ArrayList<>();
            if (bitmaps.isEmpty()) {
                operations.add(
                        "{\"op\":\"CREATE\",\"bitmap\":\"%s\",\"granularity\":%d,\"enabled\":false}"
                                .formatted(name, GRANULARITY));
                bitmaps.put(name, new BitSet());
            } else {
                String source = anyOf(bitmaps);
                operations.add(
                        "{\"op\":\"COPY\",\"bitmap\":\"%s\",\"name\":\"%s\",\"enabled\":false}"
                                .formatted(source, name));
                bitmaps.put(name, Objects.requireNonNull(bitmaps.get(source)));
                if (bitmaps.size() > MOST_BITMAPS) {
                    bitmaps.remove(source);
                    operations.add("{\"op\":\"DELETE\",\"bitmap\":\"%s\"}".formatted(source));
                }
            }
            parts.add(
                    "{\"image\":\"%s\",\"operations\":[%s]}"
                            .formatted(image.replace("~2F", "/"), String.join(",", operations)));
        }
        return new Change(
                "POST",
                "/v1/transactions",
                "{\"images\":[%s]}".formatted(String.join(",", parts)),
                after);
    }
}
