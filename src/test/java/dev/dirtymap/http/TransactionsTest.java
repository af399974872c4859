package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Disks.Disk;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/// Several changes at once: all of them, or none.
class TransactionsTest {

    private static final long MIB = 1 << 20;

    private final Disks disks = new Disks();
    private final Disk disk = disks.create("disk.qcow2", "1G");

    @AfterEach
    void qemuFindsNothingWrong() {
        disks.assertClean();
    }

    private Answer run(String... operations) {
        return disk.post(
                "/transactions", "{\"operations\":[%s]}".formatted(String.join(",", operations)));
    }

    /// Parts of `image|operation|operation…`.
    private static Answer runAll(String... parts) {
        return Disks.CLIENT.send(
                "POST", "/v1/transactions", "{\"images\":[%s]}".formatted(String.join(",", parts)));
    }

    private static String part(Disk disk, String more, String... operations) {
        return "{\"image\":\"%s\",%s\"operations\":[%s]}"
                .formatted(disk.name(), more, String.join(",", operations));
    }

    @Test
    void aRotationHappensAtOnce() {
        disk.with("mon", 0, MIB);
        Answer rotated =
                run(
                        "{\"op\":\"DISABLE\",\"bitmap\":\"mon\"}",
                        "{\"op\":\"CREATE\",\"bitmap\":\"tue\"}");
        JsonNode bitmaps = rotated.json().path("bitmaps");
        assertThat(bitmaps.at("/0/enabled").asBoolean()).isFalse();
        assertThat(bitmaps.at("/1/id").asString()).isEqualTo("tue");
        assertThat(bitmaps)
                .isEqualTo(
                        Disks.CLIENT.json(disk.path() + "/bitmaps?include=TOTALS").path("bitmaps"));
        assertThat(rotated.etag()).isEqualTo(disk.etag());
    }

    @Test
    void eachOperationSeesThoseBefore() {
        disk.with("a", 0, 65536).with("b", MIB, 65536);
        run(
                        "{\"op\":\"COPY\",\"bitmap\":\"a\",\"name\":\"week\",\"granularity\":131072,\"enabled\":false}",
                        "{\"op\":\"MERGE\",\"bitmap\":\"week\",\"sources\":[{\"bitmap\":\"b\"}]}",
                        "{\"op\":\"DELETE\",\"bitmap\":\"b\"}",
                        "{\"op\":\"CREATE\",\"bitmap\":\"b\"}",
                        "{\"op\":\"CLEAR\",\"bitmap\":\"a\",\"referencePoint\":{\"note\":\"n\"}}",
                        "{\"op\":\"RENAME\",\"bitmap\":\"a\",\"name\":\"c\"}",
                        "{\"op\":\"ENABLE\",\"bitmap\":\"week\"}")
                .json();
        assertThat(disk.bitmaps()).containsExactly("c", "week", "b");
        assertThat(disk.dirty("week")).containsExactly("0+131072", "1048576+131072");
        assertThat(disk.dirty("b")).isEmpty();
        JsonNode renamed = disk.get("c").json();
        assertThat(renamed.at("/referencePoint/note").asString()).isEqualTo("n");
        assertThat(renamed.path("dirtyBytes").asLong(-1)).isZero();
    }

    @Test
    void oneRefusalRefusesAll() {
        disk.with("a");
        String etag = disk.etag();
        JsonNode problem =
                run(
                                "{\"op\":\"CREATE\",\"bitmap\":\"b\"}",
                                "{\"op\":\"DELETE\",\"bitmap\":\"a\"}",
                                "{\"op\":\"CLEAR\",\"bitmap\":\"a\"}")
                        .problem(404, "bitmap-not-found");
        assertThat(problem.path("index").asInt()).isEqualTo(2);
        assertThat(problem.has("image")).isFalse();
        problem =
                run(
                                "{\"op\":\"CREATE\",\"bitmap\":\"b\"}",
                                "{\"op\":\"MERGE\",\"bitmap\":\"b\",\"sources\":[{\"bitmap\":\"a\",\"image\":\"none\"}]}")
                        .problem(404, "image-not-found");
        assertThat(problem.path("index").asInt()).isEqualTo(1);
        assertThat(disk.etag()).isEqualTo(etag);
        assertThat(disk.bitmaps()).containsExactly("a");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{\"op\":\"ERASE\",\"bitmap\":\"a\"}; /operations/1/op",
                "{\"op\":\"clear\",\"bitmap\":\"a\"}; /operations/1/op",
                "{\"bitmap\":\"a\"}; /operations/1/op",
                "{\"op\":\"CLEAR\"}; /operations/1/bitmap",
                "{\"op\":\"CLEAR\",\"bitmap\":\"a\",\"name\":\"b\"}; /operations/1/name",
                "{\"op\":\"RENAME\",\"bitmap\":\"a\"}; /operations/1/name",
                "{\"op\":\"MERGE\",\"bitmap\":\"a\"}; /operations/1/sources",
                "{\"op\":\"MERGE\",\"bitmap\":\"a\",\"sources\":[]}; /operations/1/sources",
                "{\"op\":\"CREATE\",\"bitmap\":\"a\",\"granularity\":3}; /operations/1/granularity",
                "{\"op\":\"COPY\",\"bitmap\":\"a\",\"name\":\"b\",\"image\":\"x.qcow2\"}; /operations/1/image",
                "[]; /operations/1",
                "null; /operations/1",
            })
    void operationsAreTakenLiterally(String operation, String pointer) {
        JsonNode problem =
                run("{\"op\":\"CREATE\",\"bitmap\":\"b\"}", operation)
                        .problem(400, "invalid-request");
        assertThat(problem.at("/errors/0/pointer").asString()).isEqualTo(pointer);
        assertThat(disk.bitmaps()).isEmpty();
    }

    @Test
    void thereMustBeOperations() {
        run().problem(400, "invalid-request");
        disk.post("/transactions", "{}").problem(400, "invalid-request");
        disk.post("/transactions", "").problem(400, "invalid-request");
        String many =
                IntStream.range(0, 10_001)
                        .mapToObj(_ -> "{\"op\":\"CLEAR\",\"bitmap\":\"a\"}")
                        .collect(Collectors.joining(","));
        run(many).problem(400, "invalid-request");
        run(" ".repeat((4 << 20) + 1)).problem(413, "request-too-large");
        Disks.CLIENT
                .sendChunked(
                        "POST",
                        disk.path() + "/transactions",
                        new byte[(4 << 20) + 1],
                        "Content-Type",
                        "application/json")
                .problem(413, "request-too-large");
    }

    @Test
    void thousandsOfOperationsAreOneCommit() {
        String many =
                IntStream.range(0, 2000)
                        .mapToObj("{\"op\":\"CREATE\",\"bitmap\":\"b%d\"}"::formatted)
                        .collect(Collectors.joining(","));
        assertThat(run(many).json().path("bitmaps").size()).isEqualTo(2000);
    }

    @Test
    void severalImagesChangeTogether() {
        disk.with("mon", 0, MIB);
        Disk other = disks.create("other.qcow2", "1G").with("mon", MIB, MIB);
        Answer answer =
                runAll(
                        part(
                                disk,
                                "\"ifMatch\":%s,".formatted(quoted(disk.etag())),
                                "{\"op\":\"DISABLE\",\"bitmap\":\"mon\"}",
                                "{\"op\":\"COPY\",\"bitmap\":\"mon\",\"name\":\"there\",\"image\":\"%s\"}"
                                        .formatted(other.name())),
                        part(
                                other,
                                "",
                                "{\"op\":\"MERGE\",\"bitmap\":\"there\",\"sources\":[{\"bitmap\":\"mon\"},{\"bitmap\":\"mon\",\"image\":\"%s\"}]}"
                                        .formatted(disk.name())));
        JsonNode images = answer.json().path("images");
        assertThat(images.at("/0/image").asString()).isEqualTo(disk.name());
        assertThat(images.at("/0/etag").asString()).isEqualTo(disk.etag());
        assertThat(images.at("/1/etag").asString()).isEqualTo(other.etag());
        assertThat(disk.get("mon").json().path("enabled").asBoolean()).isFalse();
        assertThat(other.dirty("there")).containsExactly("0+2097152");
        assertThat(images.at("/1/bitmaps/1/dirtyBytes").asLong()).isEqualTo(2 * MIB);
    }

    private static String quoted(String text) {
        return '"' + text.replace("\"", "\\\"") + '"';
    }

    @Test
    void aRefusalInOneImageLeavesTheOthers() {
        disk.with("a");
        Disk other = disks.create("other.qcow2", "1G").with("a");
        List<String> etags = List.of(disk.etag(), other.etag());
        String create = "{\"op\":\"CREATE\",\"bitmap\":\"b\"}";
        JsonNode problem =
                runAll(
                                part(disk, "", create),
                                part(other, "", create, "{\"op\":\"CREATE\",\"bitmap\":\"a\"}"))
                        .problem(409, "bitmap-exists");
        assertThat(problem.path("index").asInt()).isEqualTo(1);
        assertThat(problem.path("image").asString()).isEqualTo(other.name());
        runAll(part(disk, "", create), part(other, "\"ifMatch\":\"\\\"x\\\"\",", create))
                .problem(412, "precondition-failed");
        runAll(part(disk, "", create), part(disk, "", create)).problem(400, "invalid-request");
        runAll(part(disk, "", create), part(disks.disk("none"), "", create))
                .problem(404, "image-not-found");
        Disks.CLIENT
                .send(
                        "POST",
                        "/v1/transactions",
                        "{\"images\":[%s]}".formatted(part(disk, "", create)),
                        "If-Match",
                        "*")
                .problem(400, "invalid-request");
        runAll().problem(400, "invalid-request");
        assertThat(List.of(disk.etag(), other.etag())).isEqualTo(etags);
    }
}
