package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.access.IssuedToken;
import dev.dirtymap.images.Crashed;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.StorageDaemon;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Types the whole of `docs/runbook.md`, each situation against images in that very state.
class RunbookTest {

    private static final String DISK = "disk0.qcow2";
    private static final String UPGRADE = "9. Upgrade the service";

    private static final SequencedMap<String, Situation> SITUATIONS = new LinkedHashMap<>();

    static {
        SITUATIONS.put("1. The machine does not boot", RunbookTest::doesNotBoot);
        SITUATIONS.put("2. \"Bitmap already exists\"", RunbookTest::alreadyExists);
        SITUATIONS.put("3. Inconsistent after a crash", RunbookTest::inconsistent);
        SITUATIONS.put("4. Orphaned bitmaps", RunbookTest::orphaned);
        SITUATIONS.put("5. Disk full", RunbookTest::diskFull);
        SITUATIONS.put("6. Who holds the lock", RunbookTest::locked);
        SITUATIONS.put("7. Rotate a checkpoint", RunbookTest::rotate);
        SITUATIONS.put("8. Verify a backup base", RunbookTest::verifyBase);
        SITUATIONS.put(UPGRADE, RunbookTest::upgrade);
        SITUATIONS.put("10. Restore from a mistake", RunbookTest::mistake);
        SITUATIONS.put("Unfinished transactions", RunbookTest::unfinished);
        SITUATIONS.put("The disk failed while the change was made valid", (_, _) -> {});
    }

    /// Makes the state, types what the runbook says and looks at what has become of it.
    private interface Situation {
        void play(OperatorHost host, Blocks blocks) throws Exception;
    }

    /// All but the upgrade with a service that lets everybody in, then the upgrade to one that wants a token, then
    /// all the others again.
    @TestFactory
    Stream<DynamicTest> everySituation(@TempDir Path folder) throws IOException {
        Runbook runbook = Runbook.read();
        assertThat(runbook.sections().sequencedKeySet())
                .containsExactlyElementsOf(SITUATIONS.sequencedKeySet());
        List<String> others = new ArrayList<>(SITUATIONS.sequencedKeySet());
        others.remove(UPGRADE);
        OperatorHost host = OperatorHost.start(folder);
        return Stream.of(
                        others.stream().map(title -> test(title, title, runbook, host)),
                        Stream.of(test(UPGRADE, UPGRADE, runbook, host)),
                        others.stream()
                                .map(title -> test(title + ", with a token", title, runbook, host)))
                .flatMap(tests -> tests)
                .onClose(host::close);
    }

    private static DynamicTest test(String name, String title, Runbook runbook, OperatorHost host) {
        return DynamicTest.dynamicTest(
                name,
                () -> {
                    host.clean();
                    Blocks blocks = runbook.section(title, host::run);
                    requireNonNull(SITUATIONS.get(title)).play(host, blocks);
                    blocks.requireAllRun();
                    host.requireSoundImages();
                });
    }

    /// An image with two extents written since its bitmaps were added: 128 KiB at 0, 64 KiB at 512 MiB.
    private static void create(OperatorHost host, String file, String... bitmaps) {
        QemuImg qemu = host.qemu();
        qemu.create(file, "1G");
        for (String bitmap : bitmaps) {
            qemu.bitmapAdd(file, bitmap, 65536, true);
        }
        QemuIo.run(host.machine().resolve(file), "write 0 128k", "write 512M 64k");
    }

    private static List<String> bitmaps(OperatorHost host, String file) {
        return host.qemu()
                .info(file)
                .at("/format-specific/data/bitmaps")
                .valueStream()
                .map(bitmap -> bitmap.path("name").asString())
                .toList();
    }

    private static List<String> strings(JsonNode list, String member) {
        return list.valueStream().map(one -> one.path(member).asString()).toList();
    }

    private static void doesNotBoot(OperatorHost host, Blocks blocks) {
        create(host, DISK, "daily", "weekly");
        ImageBytes broken = new ImageBytes(host.machine().resolve(DISK));
        broken.u64(broken.directoryEntry(0), 0);
        assertThat(host.qemu().opens(DISK).stderr())
                .contains("Bitmap 'daily' doesn't satisfy the constraints");
        // QEMU refuses to write where it finds the bit but no bitmaps, and sets the corrupt bit.
        create(host, "disk1.qcow2");
        new ImageBytes(host.machine().resolve("disk1.qcow2"))
                .setBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        QemuIo.tryRun(host.machine().resolve("disk1.qcow2"), "write 128M 64k");
        assertThat(host.qemu().info("disk1.qcow2").at("/format-specific/data/corrupt").asBoolean())
                .isTrue();

        JsonNode image = blocks.json();
        assertThat(image.path("opensInQemu").asBoolean()).isFalse();
        assertThat(image.path("bitmapsState").asString()).isEqualTo("CORRUPT");
        assertThat(image.path("reason").asString()).contains("'daily'");
        assertThat(blocks.json().path("errors"))
                .anyMatch(error ->
                        error.path("fatal").asBoolean()
                                && error.path("repair").asString().equals("BITMAPS"));
        assertThat(strings(blocks.json(), "bitmap")).containsExactly("daily");
        assertThat(host.qemu().opens(DISK).opens()).isFalse();
        assertThat(strings(blocks.json().path("repairs"), "bitmap")).containsExactly("daily");
        assertThat(blocks.run()).isEqualTo("true");
        assertThat(bitmaps(host, DISK)).containsExactly("weekly");
        // What it took has leaked, as the runbook says.
        host.qemu().checkRepairing(DISK, "leaks");

        assertThat(blocks.json().path("repairs")).hasSize(1);
        assertThat(blocks.run()).contains("No errors were found");
        QemuIo.run(host.machine().resolve("disk1.qcow2"), "write 128M 64k");
    }

    private static void alreadyExists(OperatorHost host, Blocks blocks) {
        create(host, DISK, "daily", "weekly");
        ProgramResult add =
                Programs.tryRun(host.machine(), "qemu-img", "bitmap", "--add", DISK, "daily");
        assertThat(add.stderr()).contains("Bitmap already exists: daily");

        JsonNode found = blocks.json();
        assertThat(found.path("state").asString()).isEqualTo("CONSISTENT");
        assertThat(found.path("enabled").asBoolean()).isTrue();
        String ask = blocks.last();
        host.qemu().bitmapClear(DISK, "daily");
        assertThat(blocks.refused()).contains("precondition-failed");
        assertThat(bitmaps(host, DISK)).containsExactly("daily", "weekly");
        blocks.line(ask);
        JsonNode renamed = JsonMapper.shared().readTree(blocks.again());
        assertThat(renamed.path("name").asString()).isEqualTo("daily.found");
        assertThat(renamed.path("enabled").asBoolean()).isFalse();
        assertThat(bitmaps(host, DISK)).containsExactly("daily.found", "weekly");

        assertThat(blocks.json().path("name").asString()).isEqualTo("daily.found");
        blocks.run();
        assertThat(blocks.run()).isEqualTo("weekly");
        host.qemu().bitmapAdd(DISK, "daily", 65536, true);
    }

    private static void inconsistent(OperatorHost host, Blocks blocks) throws IOException {
        create(host, DISK, "daily");
        StorageDaemon daemon = StorageDaemon.start(host.machine());
        daemon.open("machine", DISK, false);
        daemon.kill();
        host.qemu().bitmapAdd(DISK, "weekly", 65536, true);
        assertThat(host.qemu().info(DISK).toString()).contains("in-use");
        Path fleet = Files.createDirectory(host.root().resolve("fleet"));
        QemuImg others = new QemuImg(fleet);
        others.create("good.qcow2", "1M", "cluster_size=512");
        others.bitmapAdd("good.qcow2", "daily", 65536, true);
        StorageDaemon crashed = StorageDaemon.start(fleet);
        Files.copy(fleet.resolve("good.qcow2"), fleet.resolve("bad.qcow2"));
        crashed.open("machine", "bad.qcow2", false);
        crashed.kill();
        for (int i = 0; i < 110; i++) {
            Files.copy(fleet.resolve("bad.qcow2"), fleet.resolve("bad%d.qcow2".formatted(i)));
        }

        assertThat(blocks.run())
                .contains(
                        "{\"id\":\"daily\",\"state\":\"INCONSISTENT\"",
                        "{\"id\":\"weekly\",\"state\":\"CONSISTENT\"");
        assertThat(blocks.run().lines())
                .hasSize(1 + 110 + 1 + 1)
                .contains("vm1~2Fdisk0.qcow2", "fleet~2Fbad109.qcow2")
                .doesNotContain("fleet~2Fgood.qcow2")
                .endsWith("# complete");
        assertThat(blocks.json().path("bitmapCount").asInt()).isEqualTo(2);
        assertThat(blocks.json().toString()).isEqualTo("{\"deleted\":[\"daily\"]}");
        assertThat(bitmaps(host, DISK)).containsExactly("weekly");
        assertThat(blocks.json().path("state").asString()).isEqualTo("CONSISTENT");
        JsonNode said = blocks.json();
        assertThat(said.path("state").asString()).isEqualTo("CONSISTENT");
        assertThat(said.at("/referencePoint/lastBackup").asString())
                .isEqualTo("s3://backups/vm1/disk0/full-2026-11-23");
        assertThat(bitmaps(host, DISK)).containsExactly("weekly", "daily");
    }

    /// What a program does that changes an image without knowing bitmaps.
    private static void changeUnaware(Path image) {
        new ImageBytes(image).clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
    }

    private static void orphaned(OperatorHost host, Blocks blocks) {
        create(host, DISK, "daily", "weekly");
        create(host, "disk1.qcow2", "daily");
        changeUnaware(host.machine().resolve(DISK));
        assertThat(host.qemu().opens(DISK).stderr())
                .contains("a program lacking bitmap support modified this file");

        assertThat(blocks.run().lines()).containsExactly("vm1~2Fdisk0.qcow2", "# complete");
        assertThat(blocks.run())
                .contains(
                        "{\"id\":\"daily\",\"state\":\"ORPHANED\"}",
                        "{\"id\":\"weekly\",\"state\":\"ORPHANED\"}");
        assertThat(blocks.json().toString()).isEqualTo("{\"deleted\":[\"daily\",\"weekly\"]}");
        JsonNode dryRun = blocks.json();
        assertThat(dryRun.path("complete").asBoolean()).isTrue();
        assertThat(dryRun.path("corruptions").asInt(-1)).isZero();
        assertThat(host.qemu().check(DISK).leaks())
                .isEqualTo(dryRun.at("/repairs/0/clusters").asLong())
                .isPositive();
        assertThat(blocks.json().path("consistent").asBoolean()).isTrue();
        host.qemu().assertClean(DISK);
        assertThat(blocks.json().path("name").asString()).isEqualTo("daily");
        assertThat(blocks.json().toString())
                .isEqualTo("{\"bitmapsState\":\"VALID\",\"bitmapCount\":1}");
        assertThat(bitmaps(host, DISK)).containsExactly("daily");
    }

    private static void diskFull(OperatorHost host, Blocks outside) throws IOException {
        QemuImg qemu = host.qemu();
        qemu.create(DISK, "1G");
        qemu.bitmapAdd(DISK, "lost", 512, true);
        QemuIo.run(host.machine().resolve(DISK), "write 0 64k", "write 700M 64k");
        changeUnaware(host.machine().resolve(DISK));
        qemu.bitmapAdd(DISK, "daily", 65536, true);
        qemu.bitmapAdd(DISK, "archive", 512, true);
        QemuIo.run(host.machine().resolve(DISK), "write 0 64k", "write 700M 64k");
        create(host, "scratch.qcow2", "a", "b");
        host.fill();
        Blocks blocks = outside.in(host::runInside);
        assertThat(
                        blocks.refusedLine(
                                "curl \"$I/bitmaps\" -H \"$json\" -d '{\"name\":\"tomorrow\"}'"))
                .contains("/problems/insufficient-storage");

        assertThat(blocks.run()).contains("64M", "100%");
        assertThat(blocks.run().lines())
                .hasSize(2)
                .allMatch(line -> line.matches("\\d+\tvm1~2F(disk0|scratch)\\.qcow2"));
        assertThat(blocks.run().lines())
                .containsExactly("131072\tCONSISTENT\tarchive", "65536\tCONSISTENT\tdaily");
        long before = host.root().toFile().getUsableSpace();
        JsonNode leaks = blocks.json();
        assertThat(host.root().toFile().getUsableSpace()).isGreaterThan(before + 2 * 65536);
        assertThat(leaks.path("complete").asBoolean()).isTrue();
        assertThat(leaks.path("leakedClusters").asInt(-1)).isZero();
        assertThat(leaks.at("/repairs/0/clusters").asInt()).isPositive();
        assertThat(blocks.run()).isEqualTo("204");
        assertThat(blocks.json().toString()).isEqualTo("{\"deleted\":[\"a\",\"b\"]}");
        assertThat(blocks.json().path("name").asString()).isEqualTo("tomorrow");
        assertThat(bitmaps(host, DISK)).containsExactly("daily", "tomorrow");
    }

    private static void locked(OperatorHost host, Blocks blocks) throws IOException {
        create(host, DISK, "daily");
        String create = "curl \"$I/bitmaps\" -H \"$json\" -d '{\"name\":\"today\"}'";
        try (StorageDaemon daemon = StorageDaemon.start(host.machine())) {
            daemon.open("machine", DISK, false);
            assertThat(blocks.refusedLine(create))
                    .contains("/problems/image-locked", "\"holder\":\"OTHER_PROGRAM\"");
            assertThat(blocks.json().path("state").asString()).isEqualTo("IN_USE");
            assertThat(blocks.run())
                    .contains("qemu-storage-daemon --object")
                    .matches("(?s).*lock:.* 201 201.*");
        }
        try (FileChannel image =
                        FileChannel.open(
                                host.machine().resolve(DISK),
                                StandardOpenOption.READ,
                                StandardOpenOption.WRITE);
                FileLock replica = image.lock(300, 1, false)) {
            assertThat(replica.isValid()).isTrue();
            assertThat(blocks.refusedLine(create))
                    .contains("/problems/image-locked", "\"holder\":\"SERVICE\"");
        }
        assertThat(blocks.run()).isEqualTo("\"AVAILABLE\"");
        assertThat(blocks.json().path("name").asString()).isEqualTo("today");
        assertThat(bitmaps(host, DISK)).containsExactly("daily", "today");
    }

    private static void setReferencePoint(
            Blocks blocks, String disk, String bitmap, String backup) {
        blocks.line(
                "curl -X PATCH \"$D/v1/images/vm1~2F%s.qcow2/bitmaps/%s\" -H \"$json\" -d '{\"referencePoint\":{\"lastBackup\":\"%s\"}}'"
                        .formatted(disk, bitmap, backup));
    }

    private static void rotate(OperatorHost host, Blocks blocks) {
        for (String disk : List.of("disk0", "disk1")) {
            create(host, disk + ".qcow2", "daily");
            setReferencePoint(
                    blocks, disk, "daily", "s3://backups/vm1/%s/2026-11-22".formatted(disk));
        }

        assertThat(blocks.run())
                .contains(
                        "{\"id\":\"vm1~2Fdisk1.qcow2\",\"state\":\"AVAILABLE\",\"bitmapsState\":\"VALID\"}",
                        "{\"id\":\"daily\",\"state\":\"CONSISTENT\",\"enabled\":true,\"referencePoint\":"
                                + "{\"lastBackup\":\"s3://backups/vm1/disk1/2026-11-22\"");
        String ask = blocks.last();
        // Somebody changes one of the disks meanwhile.
        host.qemu().bitmapAdd("disk1.qcow2", "other", 65536, true);
        assertThat(blocks.refused()).contains("/problems/precondition-failed", "vm1/disk1.qcow2");
        assertThat(bitmaps(host, DISK)).containsExactly("daily");
        host.qemu().bitmapRemove("disk1.qcow2", "other");
        blocks.line(ask);
        JsonNode rotated = JsonMapper.shared().readTree(blocks.again()).path("images");
        assertThat(strings(rotated, "image")).containsExactly("vm1/disk0.qcow2", "vm1/disk1.qcow2");
        for (JsonNode disk : rotated) {
            assertThat(strings(disk.path("bitmaps"), "id"))
                    .containsExactly("daily.2026-11-23", "daily");
            assertThat(disk.at("/bitmaps/0/enabled").asBoolean(true)).isFalse();
            assertThat(disk.at("/bitmaps/1/enabled").asBoolean()).isTrue();
        }
        assertThat(blocks.line("curl \"$I/bitmaps/daily\""))
                .contains("vm1/disk0/2026-11-23", "vm1/disk0/2026-11-22");
        assertThat(blocks.run().lines())
                .containsExactly(
                        "{\"id\":\"daily.2026-11-23\",\"enabled\":false,\"dirtyBytes\":196608}",
                        "{\"id\":\"daily\",\"enabled\":true,\"dirtyBytes\":0}",
                        "{\"id\":\"daily.2026-11-23\",\"enabled\":false,\"dirtyBytes\":196608}",
                        "{\"id\":\"daily\",\"enabled\":true,\"dirtyBytes\":0}");

        QemuIo.run(host.machine().resolve(DISK), "write 100M 64k");
        JsonNode undone = blocks.json().path("images");
        assertThat(undone).hasSize(2);
        for (JsonNode disk : undone) {
            assertThat(strings(disk.path("bitmaps"), "id")).containsExactly("daily");
            assertThat(disk.at("/bitmaps/0/enabled").asBoolean()).isTrue();
            assertThat(disk.at("/bitmaps/0/referencePoint/lastBackup").asString())
                    .matches("s3://backups/vm1/disk[01]/2026-11-22");
        }
        assertThat(undone.at("/0/bitmaps/0/dirtyBytes").asLong()).isEqualTo(262144);
        assertThat(undone.at("/1/bitmaps/0/dirtyBytes").asLong()).isEqualTo(196608);
    }

    private static void verifyBase(OperatorHost host, Blocks blocks) throws IOException {
        create(host, DISK, "daily.2026-11-22");
        host.qemu().bitmapDisable(DISK, "daily.2026-11-22");
        host.qemu().bitmapAdd(DISK, "daily", 65536, true);
        QemuIo.run(host.machine().resolve(DISK), "write 100M 64k", "write 200M 64k");
        setReferencePoint(blocks, "disk0", "daily.2026-11-22", "s3://backups/vm1/disk0/2026-11-21");
        setReferencePoint(blocks, "disk0", "daily", "s3://backups/vm1/disk0/2026-11-22");

        assertThat(blocks.run()).isEqualTo("true");
        assertThat(blocks.run()).isEqualTo("true");
        Path list = host.folder().resolve("daily.ndjson");
        assertThat(Files.readAllLines(list))
                .contains(
                        "{\"offset\":104857600,\"length\":65536}",
                        "{\"offset\":209715200,\"length\":65536}");
        // A list without an extent, and one without its end, are not taken for whole.
        String judge = blocks.last().strip().lines().toList().getLast();
        List<String> whole = Files.readAllLines(list);
        for (int missing : List.of(1, whole.size() - 1)) {
            List<String> cut = new ArrayList<>(whole);
            cut.remove(missing);
            Files.write(list, cut);
            assertThat(host.run(judge).exitCode()).isEqualTo(1);
        }

        assertThat(blocks.run().lines())
                .hasSize(3)
                .anyMatch(line ->
                        line.startsWith(
                                "{\"id\":\"daily.2026-11-22\",\"state\":\"CONSISTENT\",\"referencePoint\":"
                                        + "{\"lastBackup\":\"s3://backups/vm1/disk0/2026-11-21\""))
                .endsWith("true");
        assertThat(Files.readString(host.folder().resolve("since.ndjson")))
                .contains("\"extentCount\":4,\"dirtyBytes\":327680}");
        assertThat(blocks.run()).isEqualTo("304");
        QemuIo.run(host.machine().resolve(DISK), "write 300M 64k");
        assertThat(blocks.again()).isEqualTo("200");
    }

    private static void upgrade(OperatorHost host, Blocks blocks) throws Exception {
        for (String disk : List.of(DISK, "disk1.qcow2")) {
            create(host, disk, "old");
        }
        host.qemu().create("disk2.qcow2", "1G");
        host.qemu().bitmapAdd("disk2.qcow2", "half", 512, true);
        byte[] half = new byte[256 << 10];
        Arrays.fill(half, (byte) 0x55);
        Files.write(host.folder().resolve("half.bits"), half);
        String disk2 = "/v1/images/vm1~2Fdisk2.qcow2/bitmaps/half";
        blocks.line(
                "curl -T half.bits \"$D%s/bits\" -H 'Content-Type: application/octet-stream'"
                        .formatted(disk2));
        String up = "{\"status\":\"UP\",\"transactions\":{\"status\":\"UP\"}}";

        String before = blocks.run();
        assertThat(before.replaceAll("\\s", "")).endsWith(up);
        // A replica that died in the middle of a change, and a request that runs.
        Crashed.stop(host.root(), 1, List.of("vm1/disk0.qcow2", "vm1/disk1.qcow2"), () -> true);
        ServiceProcess old = host.service();
        host.startReplica(
                IssuedToken.of(
                        "operator",
                        "--scope",
                        "bitmaps:read",
                        "--scope",
                        "bitmaps:write",
                        "--scope",
                        "bitmaps:delete"));
        HttpResponse<InputStream> running =
                old.client().stream(disk2 + "/extents", "Accept", "text/plain");
        Thread end = Thread.ofPlatform().start(host::stopFirst);
        while (!old.log().contains("graceful shutdown")) {
            Thread.sleep(10);
        }
        try (InputStream body = running.body()) {
            assertThat(new String(body.readAllBytes(), UTF_8))
                    .endsWith("# complete extents=1048576 dirtyBytes=536870912\n");
        }
        end.join();
        assertThat(old.isAlive()).isFalse();

        assertThat(blocks.run()).isEqualTo("UP");
        assertThat(host.root().resolve(Crashed.JOURNAL)).exists();
        assertThat(blocks.run()).isEqualTo(before);
        assertThat(host.root().resolve(Crashed.JOURNAL)).doesNotExist();
        for (String disk : List.of(DISK, "disk1.qcow2")) {
            assertThat(bitmaps(host, disk)).containsExactly("new");
            host.qemu().checkRepairing(disk, "leaks");
        }
    }

    private static void mistake(OperatorHost host, Blocks blocks) throws IOException {
        create(host, DISK, "daily");
        setReferencePoint(blocks, "disk0", "daily", "s3://backups/vm1/disk0/2026-11-22");
        String ask = "curl \"$I/bitmaps/daily\"";
        JsonNode saved = JsonMapper.shared().readTree(blocks.line(ask));
        String extents = "curl \"$I/bitmaps/daily/extents\" | jq -c .extents";
        String dirty = blocks.line(extents);
        assertThat(dirty).contains("{\"offset\":536870912,\"length\":65536}");

        blocks.run();
        assertThat(host.folder().resolve("daily.bits")).hasSize(2048);
        assertThat(blocks.json().path("enabled").asBoolean(true)).isFalse();

        blocks.line("curl -X DELETE \"$I/bitmaps/daily\"");
        assertThat(blocks.json().path("dirtyBytes").asLong(-1)).isZero();
        blocks.run();
        assertThat(JsonMapper.shared().readTree(blocks.line(ask))).isEqualTo(saved);
        assertThat(blocks.line(extents)).isEqualTo(dirty);

        blocks.line("curl -X POST \"$I/bitmaps/daily/clear\"");
        assertThat(strings(blocks.json().path("bitmaps"), "name"))
                .containsExactly("daily.safe", "daily.wrong", "daily");
        assertThat(JsonMapper.shared().readTree(blocks.line(ask))).isEqualTo(saved);
        assertThat(blocks.line(extents)).isEqualTo(dirty);

        blocks.line("curl -X POST \"$I/bitmaps/daily/clear\"");
        QemuIo.run(host.machine().resolve(DISK), "write 100M 64k");
        assertThat(blocks.json().path("dirtyBytes").asLong()).isEqualTo(262144);
        assertThat(blocks.run()).isEqualTo("0");
        blocks.line("curl -X POST \"$I/bitmaps/daily/clear\"");
        assertThat(blocks.again()).isEqualTo("196608");
    }

    private static void unfinished(OperatorHost host, Blocks blocks) throws Exception {
        for (String disk : List.of(DISK, "disk1.qcow2")) {
            create(host, disk, "old");
        }
        Crashed.stop(host.root(), 1, List.of("vm1/disk0.qcow2", "vm1/disk1.qcow2"), () -> true);
        host.qemu().bitmapAdd("disk1.qcow2", "foreign", 65536, true);
        String ask = "curl \"$I\"";
        assertThat(blocks.refusedLine(ask)).contains("/problems/transaction-unfinished");
        assertThat(blocks.refusedLine("curl \"$D/actuator/health\"")).contains("DOWN");

        assertThat(blocks.refused().lines()).hasSize(2).endsWith(Crashed.JOURNAL);
        assertThat(blocks.run().lines()).containsExactly("vm1~2Fdisk0.qcow2", "vm1~2Fdisk1.qcow2");
        blocks.run();
        assertThat(host.folder().resolve("crashed.journal")).isNotEmptyFile();
        assertThat(blocks.json().path("status").asString()).isEqualTo("UP");
        blocks.line(ask);
        for (String disk : List.of(DISK, "disk1.qcow2")) {
            host.qemu().checkRepairing(disk, "leaks");
        }
    }
}
