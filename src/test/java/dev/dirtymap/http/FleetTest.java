package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.ImageBody.State;
import dev.dirtymap.qcow2.BitmapsState;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The question about a whole fleet: lists by every filter, from a service that remembers what files were. They must
/// be what the images say one by one, which is never remembered, whatever was done to the files behind its back.
class FleetTest {

    private static final Client CLIENT = Client.of(Server.shared());

    private static final int FILES = 20;
    private static final int ROUNDS = Integer.getInteger("dirtymap.fleet.rounds", 3);
    private static final int CHANGES = 16;
    private static final long SEED = Long.getLong("dirtymap.fleet.seed", 20_261_123);

    /// Longer than a file must stand before what it is is remembered.
    private static final long REMEMBERED_MILLIS = 2100;

    private final Path folder = Server.shared().newFolder();
    private final String prefix = folder.getFileName() + "~2F";
    private final QemuImg qemu = new QemuImg(folder);
    private final Map<String, StorageDaemon> holders = new TreeMap<>();
    private final Random random = new Random(SEED);

    @BeforeEach
    void create() throws IOException {
        qemu.create("template", "1G");
        qemu.bitmapAdd("template", "a", 65536, true);
        qemu.bitmapAdd("template", "b", 4096, false);
        for (int i = 0; i < FILES; i++) {
            Files.copy(folder.resolve("template"), folder.resolve(name(i)));
        }
    }

    @AfterEach
    void letGo() {
        holders.values().forEach(StorageDaemon::close);
    }

    private static String name(int i) {
        return "disk%02d".formatted(i);
    }

    @Test
    void everyListIsWhatTheImagesSayOneByOne() throws Exception {
        for (int round = 0; round < ROUNDS; round++) {
            List<String> changes = new ArrayList<>();
            for (int i = 0; i < CHANGES; i++) {
                changes.add(change());
                // In the same moment as the change, and while others are remembered.
                list("");
            }
            String what = "seed %d, round %d: %s".formatted(SEED, round, changes);
            requireLists(what, List.of(""));
            Thread.sleep(REMEMBERED_MILLIS);
            list("");
            requireLists(what + ", remembered", options(List.of(BitmapsState.values())));
        }
    }

    /// One page with all, held to no schema: that would take longer than all the rest.
    private JsonNode list(String query) throws IOException {
        try (InputStream page =
                CLIENT.stream("/v1/images?limit=1000&prefix=" + prefix + query).body()) {
            return JsonMapper.shared().readTree(page);
        }
    }

    /// One image as it says itself.
    private record Told(JsonNode body, boolean hasInconsistent) {}

    private List<Told> tell() throws IOException {
        List<Told> all = new ArrayList<>();
        for (String file : files()) {
            String image = "/v1/images/" + prefix + file;
            Answer answer = CLIENT.get(image);
            if (answer.status() == 404) {
                continue;
            }
            JsonNode body = answer.json();
            boolean inconsistent =
                    !body.path("state").asString().equals("UNREADABLE")
                            && CLIENT.json(image + "/bitmaps")
                                    .path("bitmaps")
                                    .valueStream()
                                    .anyMatch(bitmap ->
                                            bitmap.path("state").asString().equals("INCONSISTENT"));
            all.add(new Told(body, inconsistent));
        }
        return all;
    }

    private void requireLists(String what, List<String> bitmapsStates) throws IOException {
        List<Told> told = tell();
        for (String state : options(List.of(State.values()))) {
            for (String bitmapsState : bitmapsStates) {
                for (String inconsistent : options(List.of(true, false))) {
                    List<JsonNode> expected =
                            told.stream()
                                    .filter(image ->
                                            matches(state, image.body.path("state"))
                                                    && matches(
                                                            bitmapsState,
                                                            image.body.path("bitmapsState"))
                                                    && (inconsistent.isEmpty()
                                                            || inconsistent.equals(
                                                                    "" + image.hasInconsistent)))
                                    .map(Told::body)
                                    .toList();
                    String query =
                            query("state", state)
                                    + query("bitmapsState", bitmapsState)
                                    + query("hasInconsistent", inconsistent);
                    JsonNode page = list(query);
                    assertThat(page.path("images").valueStream().toList())
                            .as("%s: %s", what, query)
                            .isEqualTo(expected);
                }
            }
        }
    }

    private static List<String> options(List<?> values) {
        return Stream.concat(Stream.of(""), values.stream().map(Object::toString)).toList();
    }

    private static boolean matches(String wanted, JsonNode value) {
        return wanted.isEmpty() || wanted.equals(value.asString(""));
    }

    private static String query(String name, String value) {
        return value.isEmpty() ? "" : "&%s=%s".formatted(name, value);
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /// Changes a file that nobody holds, or has somebody hold it, or let it go.
    private String change() throws IOException {
        String file =
                holders.isEmpty() || random.nextInt(4) > 0
                        ? name(random.nextInt(FILES))
                        : holders.keySet().iterator().next();
        Path path = folder.resolve(file);
        StorageDaemon holder = holders.remove(file);
        if (holder != null) {
            return file + (random.nextBoolean() ? kill(holder) : close(holder));
        }
        FileTime time = Files.getLastModifiedTime(path);
        ImageBytes bytes = new ImageBytes(path);
        boolean whole = bytes.length() > 4096 && bytes.u32(0) == 0x514649fb && hasBitmap(bytes);
        int kind = random.nextInt(14);
        switch (kind) {
            case 0 -> tryQemu("bitmap", "--add", file, "c" + random.nextInt(3));
            case 1 -> tryQemu("bitmap", "--remove", file, random.nextBoolean() ? "a" : "b");
            case 2 -> bytes.truncate(bytes.length() * random.nextLong(5) / 4);
            case 3 -> Files.move(copyOf(other(file)), path, REPLACE_EXISTING);
            case 4 -> Files.setLastModifiedTime(path, FileTime.fromMillis(random.nextInt()));
            case 5 -> bytes.u32(0, random.nextBoolean() ? 0x514649fb : 0x12345678);
            case 6 -> bytes.u32(20, random.nextBoolean() ? 0 : 99);
            case 7 -> Programs.run(folder, "cp", "-p", "--no-target-directory", other(file), file);
            case 8 -> {
                // Another name for a file; from now on both change together.
                Files.delete(path);
                Files.createLink(path, folder.resolve(other(file)));
            }
            case 9 -> {
                // As a rule the file system gives its number to the new file.
                Files.delete(path);
                Files.copy(folder.resolve("template"), path);
            }
            case 10, 11 -> {
                if (whole) {
                    bytes.u32(bytes.directoryEntry(0) + 12, 2 | random.nextInt(2));
                }
            }
            case 12 -> {
                if (whole) {
                    bytes.u8(95, random.nextInt(2));
                }
            }
            default -> hold(file);
        }
        // As if nothing had happened: the same length, and the same time.
        boolean hidden = random.nextBoolean() && Files.exists(path);
        if (hidden) {
            Files.setLastModifiedTime(path, time);
        }
        return "%s by %d%s".formatted(file, kind, hidden ? " in secret" : "");
    }

    private static boolean hasBitmap(ImageBytes bytes) {
        return bytes.u32(20) == 0 && bytes.hasBitmaps() && bytes.bitmapCount() > 0;
    }

    private static String kill(StorageDaemon holder) {
        holder.kill();
        return " after a kill";
    }

    private static String close(StorageDaemon holder) {
        holder.close();
        return " given back";
    }

    /// A machine that has the image, if it takes it.
    private void hold(String file) throws IOException {
        Path path = folder.resolve(file);
        if (Programs.tryRun(folder, "qemu-img", "info", "-f", "qcow2", file).exitCode() != 0
                || (int) Files.getAttribute(path, "unix:nlink") > 1) {
            return;
        }
        StorageDaemon daemon = StorageDaemon.start(folder);
        holders.put(file, daemon);
        daemon.open("disk", file, false);
    }

    private void tryQemu(String... words) {
        List<String> command = new ArrayList<>(List.of("qemu-img"));
        command.addAll(List.of(words));
        Programs.tryRun(folder, command.toArray(String[]::new));
    }

    private Path copyOf(String file) throws IOException {
        Path copy = folder.resolve("copy");
        return Files.copy(folder.resolve(file), copy, REPLACE_EXISTING);
    }

    /// Another file, that nobody holds.
    private String other(String file) {
        String other = name(random.nextInt(FILES));
        return other.equals(file) || holders.containsKey(other) ? "template" : other;
    }

    @Test
    void whatIsKnownIsNotReadAgain() throws Exception {
        hold(name(0));
        Thread.sleep(REMEMBERED_MILLIS);
        String question = "/v1/images?hasInconsistent=true&limit=1000&prefix=" + prefix;
        assertThat(CLIENT.json(question).path("images")).isEmpty();
        long before = bytesRead();
        for (int i = 0; i < 10; i++) {
            assertThat(CLIENT.json(question).path("images")).isEmpty();
        }
        long known = bytesRead() - before;
        before = bytesRead();
        JsonNode all = CLIENT.json("/v1/images?limit=1000&prefix=" + prefix);
        assertThat(all.path("images")).hasSize(FILES + 1);
        long unknown = bytesRead() - before;
        assertThat(unknown).isGreaterThan(FILES * 4096L);
        assertThat(known).as("of ten lists").isLessThan(unknown);
        // Nothing in the file tells that the program is gone.
        holders.values().forEach(StorageDaemon::kill);
        assertThat(CLIENT.json(question).path("images").valueStream())
                .extracting(image -> image.path("id").asString())
                .containsExactly(prefix + name(0));
    }

    /// Bytes that the service asked the system for, so far.
    private static long bytesRead() throws IOException {
        String line =
                Files.readAllLines(Path.of("/proc/%d/io".formatted(Server.shared().pid())), UTF_8)
                        .getFirst();
        assertThat(line).startsWith("rchar: ");
        return Long.parseLong(line.substring("rchar: ".length()));
    }
}
