package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Disks.Disk;
import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.LazyCase;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.util.FileSystemUtils;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The map of an image beside that of `qemu-img map`, bitmaps combined beside their sets of granules, and dirty
/// extents split by the map.
class ImageExtentsTest {

    private static final int ROUNDS = 5;
    private static final int GRANULE = 4096;
    private static final long SIZE = 1 << 20;

    private final Server server = Server.shared();
    private final Client client = Client.of(server);
    private final Path folder = server.newFolder();
    private final Disks disks = new Disks();

    @AfterEach
    void remove() throws IOException {
        disks.assertClean();
        FileSystemUtils.deleteRecursively(folder);
    }

    /// A row as `qemu-img map` gives it.
    private record Row(
            long start,
            long length,
            int depth,
            boolean present,
            boolean zero,
            boolean data,
            long offset) {

        static Row of(JsonNode extent) {
            String allocation = extent.path("allocation").asString();
            return new Row(
                    extent.path("offset").asLong(),
                    extent.path("length").asLong(),
                    extent.path("depth").asInt(),
                    !allocation.equals("UNALLOCATED"),
                    extent.path("zero").asBoolean(),
                    allocation.equals("DATA"),
                    extent.path("hostOffset").asLong(-1));
        }

        static Row ofQemu(JsonNode line) {
            return new Row(
                    line.get("start").asLong(),
                    line.get("length").asLong(),
                    line.get("depth").asInt(),
                    line.get("present").asBoolean(),
                    line.get("zero").asBoolean(),
                    line.get("data").asBoolean(),
                    line.path("offset").asLong(-1));
        }

        boolean joins(Row next) {
            return depth == next.depth
                    && present == next.present
                    && zero == next.zero
                    && data == next.data
                    && (offset < 0 ? next.offset < 0 : next.offset == offset + length);
        }
    }

    @ParameterizedTest
    @MethodSource("dev.dirtymap.testimages.ImageCorpus#cases")
    void theMapIsWhatQemuTells(LazyCase lazy) throws IOException {
        Case image = lazy.get().copyTo(folder);
        settle();
        String path = "/v1/images/%s~2F%s/extents".formatted(folder.getFileName(), image.file());
        // Where a file system has room without content, whether that is a hole depends on which
        // pages
        // are in memory, and reading the file changes that.
        List<Row> ours = rows(path);
        List<Row> qemus = rowsOfQemu(image.file());
        for (int tries = 1; tries < ROUNDS && !ours.equals(qemus); tries++) {
            ours = rows(path);
            qemus = rowsOfQemu(image.file());
        }
        assertThat(ours).isEqualTo(qemus);
        assertThat(stream(path + "?chain=true")).isEqualTo(extents(path + "?chain=true", 100_000));
    }

    private List<Row> rows(String path) {
        List<Row> rows = new ArrayList<>();
        // Compressed data is told apart from other data, which QEMU 7.2 does not.
        for (JsonNode extent : extents(path + "?chain=true", 7)) {
            Row row = Row.of(extent);
            Row last = rows.isEmpty() ? null : rows.getLast();
            if (last != null && last.joins(row)) {
                Row joined =
                        new Row(
                                last.start,
                                last.length + row.length,
                                last.depth,
                                last.present,
                                last.zero,
                                last.data,
                                last.offset);
                rows.set(rows.size() - 1, joined);
            } else {
                rows.add(row);
            }
        }
        return rows;
    }

    private List<Row> rowsOfQemu(String file) {
        List<Row> expected = new ArrayList<>();
        for (JsonNode line : new QemuImg(folder).map(file)) {
            if (line.get("length").asLong() > 0) {
                expected.add(Row.ofQemu(line));
            }
        }
        return expected;
    }

    /// Where holes are is not settled before a file is on the disk.
    private void settle() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                try (FileChannel channel = FileChannel.open(file)) {
                    channel.force(true);
                }
            }
        }
    }

    /// All pages of a list, which tile the window.
    private List<JsonNode> extents(String path, int limit) {
        List<JsonNode> all = new ArrayList<>();
        JsonNode page = client.json(path + "&limit=" + limit);
        long at = page.path("offset").asLong();
        while (true) {
            assertThat(page.path("offset").asLong()).isEqualTo(at);
            at += page.path("length").asLong();
            page.path("extents").forEach(all::add);
            if (page.path("complete").asBoolean()) {
                return all;
            }
            page =
                    client.json(
                            path
                                    + "&cursor="
                                    + page.path("nextCursor").asString()
                                    + "&limit="
                                    + limit);
        }
    }

    private List<JsonNode> stream(String path) {
        String text = new String(client.get(path, "Accept", "application/x-ndjson").body(), UTF_8);
        List<JsonNode> extents = new ArrayList<>();
        String[] lines = text.split("\n", 0);
        for (int i = 1; i < lines.length - 1; i++) {
            extents.add(JsonMapper.shared().readTree(lines[i]));
        }
        assertThat(
                        JsonMapper.shared()
                                .readTree(lines[lines.length - 1])
                                .path("complete")
                                .asBoolean())
                .isTrue();
        assertThat(JsonMapper.shared().readTree(lines[0]).path("record").asString())
                .isEqualTo("header");
        return extents;
    }

    private static BitSet granules(long granularity, long... ranges) {
        BitSet set = new BitSet();
        for (int i = 0; i < ranges.length; i += 2) {
            long first = ranges[i] / granularity * granularity;
            long end = Math.ceilDiv(ranges[i] + ranges[i + 1], granularity) * granularity;
            set.set((int) (first / GRANULE), (int) (Math.min(end, SIZE) / GRANULE));
        }
        return set;
    }

    private static BitSet granules(List<JsonNode> extents) {
        BitSet set = new BitSet();
        for (JsonNode extent : extents) {
            long offset = extent.path("offset").asLong();
            set.set(
                    (int) (offset / GRANULE),
                    (int) ((offset + extent.path("length").asLong()) / GRANULE));
        }
        return set;
    }

    @ParameterizedTest
    @CsvSource({"UNION", "INTERSECTION", "DIFFERENCE", "XOR"})
    void bitmapsOfAnyGranularityAreCombined(String combine) {
        Disk disk = disks.create("disk.qcow2", Long.toString(SIZE));
        long[] fine = {0, 8192, 65536, 4096, 500_000, 40_000};
        long[] middle = {4096, 10_000, 131_072, 65_536};
        long[] coarse = {70_000, 1, 900_000, 1000};
        BitSet expected = mark(disk, "fine", 4096, fine);
        for (BitSet other :
                List.of(mark(disk, "middle", 16384, middle), mark(disk, "coarse", 65536, coarse))) {
            switch (combine) {
                case "UNION" -> expected.or(other);
                case "INTERSECTION" -> expected.and(other);
                case "DIFFERENCE" -> expected.andNot(other);
                default -> expected.xor(other);
            }
        }
        String path =
                disk.path() + "/extents?bitmap=fine&bitmap=middle&bitmap=coarse&combine=" + combine;
        for (int limit : new int[] {1, 3, 1000}) {
            assertThat(granules(extents(path, limit))).isEqualTo(expected);
        }
        assertThat(granules(stream(path))).isEqualTo(expected);
        JsonNode page = client.json(path);
        assertThat(page.path("granularity").asLong()).isEqualTo(4096);
        assertThat(page.path("combine").asString()).isEqualTo(combine);
        assertThat(page.path("bitmapIds").size()).isEqualTo(3);
    }

    private static BitSet mark(Disk disk, String name, long granularity, long... ranges) {
        disk.post("/bitmaps", "{\"name\":\"%s\",\"granularity\":%d}".formatted(name, granularity))
                .json(201);
        List<String> marked = new ArrayList<>();
        for (int i = 0; i < ranges.length; i += 2) {
            marked.add("{\"offset\":%d,\"length\":%d}".formatted(ranges[i], ranges[i + 1]));
        }
        disk.post(
                        "/bitmaps/" + name + "/mark",
                        "{\"dirty\":true,\"ranges\":[%s]}".formatted(String.join(",", marked)))
                .json();
        return granules(granularity, ranges);
    }

    @Test
    void dirtyExtentsAreSplitByWhatTheImageHas() {
        Disk disk = disks.create("disk.qcow2", "1G");
        QemuIo.run(disks.path("disk.qcow2"), "write 0 128k", "write -z 192k 64k", "write 900M 64k");
        disk.with("a", 65536, 262144, 900L << 20, 131072);
        String path = disk.bitmap("a") + "/extents?include=ALLOCATION";
        List<String> told = new ArrayList<>();
        for (JsonNode extent : extents(path, 2)) {
            told.add(
                    "%d+%d %s"
                            .formatted(
                                    extent.path("offset").asLong(),
                                    extent.path("length").asLong(),
                                    extent.path("allocation").asString()));
        }
        assertThat(told)
                .containsExactly(
                        "65536+65536 DATA",
                        "131072+65536 UNALLOCATED",
                        "196608+65536 ZERO",
                        "262144+65536 UNALLOCATED",
                        "943718400+65536 DATA",
                        "943783936+65536 UNALLOCATED");
        assertThat(stream(path)).isEqualTo(extents(path, 100));
        assertThat(extents(path + "&maxLength=4096", 1000)).hasSize(6 * 16);
    }

    @ParameterizedTest
    @CsvSource({
        "?bitmap=a&bitmap=b, combine",
        "?combine=UNION, combine",
        "?state=ALL, state",
        "?align=65536, align",
        "?gap=1, gap",
        "?include=ALLOCATION, include",
        "?bitmap=a&chain=true, chain"
    })
    void whatDoesNotGoTogetherIsRefused(String query, String parameter) {
        Disk disk = disks.create("disk.qcow2", "1M").with("a").with("b");
        JsonNode problem =
                client.get(disk.path() + "/extents" + query).problem(400, "invalid-request");
        assertThat(problem.path("errors").get(0).path("parameter").asString()).isEqualTo(parameter);
    }

    @Test
    void aBackingFileThatIsMissingIsOnlyMissedWhereItIsNeeded() throws IOException {
        QemuImg qemu = new QemuImg(folder);
        qemu.create("base.qcow2", "1M");
        qemu.run("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2");
        Files.delete(folder.resolve("base.qcow2"));
        String path = "/v1/images/%s~2Ftop.qcow2/extents".formatted(folder.getFileName());
        assertThat(client.json(path).path("extents").get(0).path("allocation").asString())
                .isEqualTo("UNALLOCATED");
        JsonNode problem = client.get(path + "?chain=true").problem(422, "backing-unavailable");
        assertThat(problem.path("file").asString()).isEqualTo("base.qcow2");
    }
}
