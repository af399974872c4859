package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Disks.Disk;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/// Changes of single bitmaps: what they do, what they answer, what they refuse.
class BitmapChangesTest {

    private static final long MIB = 1 << 20;
    private static final String POINT =
            "\"referencePoint\":{\"lastBackup\":\"b1\",\"setAt\":\"2026-11-23T02:00:00.1239+01:00\"}";

    private final Disks disks = new Disks();
    private final Disk disk = disks.create("disk.qcow2", "1G");

    @AfterEach
    void qemuFindsNothingWrong() {
        disks.assertClean();
    }

    @Test
    void createAnswersTheNewBitmap() {
        Answer created =
                disk.post("/bitmaps", "{\"name\":\"a/b\",\"enabled\":false," + POINT + "}");
        assertThat(created.status()).isEqualTo(201);
        assertThat(created.header("Location")).isEqualTo(disk.bitmap("a~2Fb"));
        JsonNode bitmap = Disks.requireSame(created, disk.bitmap("a~2Fb"));
        assertThat(bitmap.path("granularity").asInt()).isEqualTo(65536);
        assertThat(bitmap.path("enabled").asBoolean()).isFalse();
        assertThat(bitmap.path("dirtyBytes").asLong(-1)).isZero();
        assertThat(bitmap.at("/referencePoint/lastBackup").asString()).isEqualTo("b1");
        assertThat(bitmap.at("/referencePoint/setAt").asString())
                .isEqualTo("2026-11-23T01:00:00.123Z");
        assertThat(
                        disks.qemuImg()
                                .info("disk.qcow2")
                                .at("/format-specific/data/bitmaps")
                                .toString())
                .contains("\"a/b\"")
                .contains("\"flags\":[]");
        JsonNode listed = Disks.CLIENT.json(disk.path() + "/bitmaps").at("/bitmaps/0");
        assertThat(listed.path("referencePoint")).isEqualTo(bitmap.path("referencePoint"));
        assertThat(Disks.CLIENT.json(disk.bitmap("a~2Fb") + "/extents").path("referencePoint"))
                .isEqualTo(bitmap.path("referencePoint"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"*/*", "application/*", "application/*+json", "text/plain", "json", ";"})
    void typesOtherThanJsonAreRefused(String type) {
        disk.with("a");
        for (String operation : new String[] {"/bitmaps", "/bitmaps/a/clear", "/check"}) {
            Answer answer = postAs(type, operation, "{}");
            answer.problem(415, "unsupported-media-type");
            assertThat(answer.header("Accept")).isEqualTo("application/json");
            if (type.contains("*")) {
                postAs(type, operation, "").problem(415, "unsupported-media-type");
            }
        }
    }

    @Test
    void noBodyMayBeOfAnyType() {
        disk.with("a");
        for (String type : new String[] {"application/x-www-form-urlencoded", "text/plain"}) {
            postAs(type, "/bitmaps/a/clear", "").json();
        }
    }

    private Answer postAs(String type, String operation, String body) {
        return Disks.CLIENT.send(
                "POST",
                disk.path() + operation,
                body.getBytes(StandardCharsets.US_ASCII),
                "Content-Type",
                type);
    }

    @Test
    void namesNeedNotBeText() {
        assertThat(disk.post("/bitmaps", "{\"nameId\":\"caf~E9\"}").json(201).path("id").asString())
                .isEqualTo("caf~E9");
        disk.with("b");
        disk.post("/bitmaps/b/merge", "{\"sources\":[{\"bitmapId\":\"caf~E9\"}]}").json();
        disk.patch("caf~E9", "{\"nameId\":\"~FF\"}").json();
        assertThat(disk.bitmaps()).containsExactly("~FF", "b");
        assertThat(disk.delete("/bitmaps/~FF").status()).isEqualTo(204);
        disk.post("/bitmaps", "{\"name\":\"" + "é".repeat(511) + "\"}").json(201);
        disk.post("/bitmaps", "{\"name\":\"" + "é".repeat(512) + "\"}")
                .problem(400, "invalid-request");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"0", "-1", "511", "513", "256", "100000", "4294967296", "1e6", "\"512\""})
    void granularityMustBeAPowerOfTwo(String granularity) {
        JsonNode problem =
                disk.post("/bitmaps", "{\"name\":\"a\",\"granularity\":%s}".formatted(granularity))
                        .problem(400, "invalid-request");
        assertThat(problem.at("/errors/0/pointer").asString()).isEqualTo("/granularity");
    }

    @Test
    void createRefusesWhatCannotBe() {
        disk.with("a");
        disk.post("/bitmaps", "{\"name\":\"a\"}").problem(409, "bitmap-exists");
        Disk old = disks.create("old.qcow2", "1M", "compat=0.10");
        old.post("/bitmaps", "{\"name\":\"a\"}").problem(422, "image-version");
        Disk huge = disks.create("huge.qcow2", "8T");
        huge.post("/bitmaps", "{\"name\":\"a\",\"granularity\":512}")
                .problem(422, "limit-exceeded");
        Disk empty = disks.create("empty.qcow2", "0");
        empty.post("/bitmaps", "{\"name\":\"a\"}").problem(422, "limit-exceeded");
        disks.disk("none.qcow2")
                .post("/bitmaps", "{\"name\":\"a\"}")
                .problem(404, "image-not-found");
    }

    @Test
    void patchChangesWhatItNames() {
        disk.with("a", 0, MIB).with("b");
        JsonNode bitmap =
                Disks.requireSame(disk.patch("a", "{\"enabled\":false}"), disk.bitmap("a"));
        assertThat(bitmap.path("enabled").asBoolean()).isFalse();
        disk.patch("a", "{\"name\":\"b\",\"enabled\":true}").problem(409, "bitmap-exists");
        assertThat(disk.get("a").json().path("enabled").asBoolean()).isFalse();
        Answer renamed = disk.patch("a", "{\"name\":\"c\"," + POINT + "}");
        bitmap = Disks.requireSame(renamed, disk.bitmap("c"));
        assertThat(bitmap.path("dirtyBytes").asLong()).isEqualTo(MIB);
        disk.get("a").problem(404, "bitmap-not-found");
        assertThat(disk.bitmaps()).containsExactly("c", "b");
        String etag = disk.get("c").etag();
        for (String nothing : new String[] {"{}", "", "{\"name\":\"c\",\"enabled\":false}"}) {
            assertThat(disk.patch("c", nothing).etag()).as(nothing).isEqualTo(etag);
        }
        disk.patch("none", "{}").problem(404, "bitmap-not-found");
        Answer typed =
                Disks.CLIENT.send(
                        "PATCH",
                        disk.bitmap("c"),
                        "{\"enabled\":true}".getBytes(java.nio.charset.StandardCharsets.UTF_8),
                        "Content-Type",
                        "application/merge-patch+json");
        assertThat(typed.json().path("enabled").asBoolean()).isTrue();
    }

    @Test
    void aReferencePointIsPatchedMemberByMember() {
        disk.with("a");
        JsonNode point = disk.patch("a", "{" + POINT + "}").json().path("referencePoint");
        assertThat(point.propertyNames()).containsExactly("lastBackup", "setAt");
        point =
                disk.patch("a", "{\"referencePoint\":{\"note\":\"n\",\"lastBackup\":null}}")
                        .json()
                        .path("referencePoint");
        assertThat(point.propertyNames()).containsExactly("note", "setAt");
        assertThat(point.path("setAt").asString()).isEqualTo("2026-11-23T01:00:00.123Z");
        point =
                disk.patch("a", "{\"referencePoint\":{\"setAt\":null}}")
                        .json()
                        .path("referencePoint");
        assertThat(point.path("setAt").asString()).isNotEqualTo("2026-11-23T01:00:00.123Z");
        JsonNode problem =
                disk.patch("a", "{\"referencePoint\":{\"note\":null}}")
                        .problem(400, "invalid-request");
        assertThat(problem.at("/errors/0/pointer").asString()).isEqualTo("/referencePoint");
        assertThat(disk.get("a").json().at("/referencePoint/note").asString()).isEqualTo("n");
        assertThat(disk.patch("a", "{\"referencePoint\":null}").json().has("referencePoint"))
                .isFalse();
        assertThat(disk.patch("a", "{\"referencePoint\":null}").status()).isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{\"enabled\":null}; /enabled",
                "{\"name\":null}; /name",
                "{\"enabled\":\"true\"}; /enabled",
                "{\"enabled\":1}; /enabled",
                "{\"name\":1}; /name",
                "{\"name\":\"\"}; /name",
                "{\"name\":\"a\\u0000b\"}; /name",
                "{\"name\":\"\\ud800\"}; /name",
                "{\"name\":\"x\",\"nameId\":\"y\"}; /name",
                "{\"nameId\":\"~zz\"}; /nameId",
                "{\"referencePoint\":{}}; /referencePoint",
                "{\"referencePoint\":\"x\"}; /referencePoint",
                "{\"referencePoint\":{\"note\":1}}; /referencePoint/note",
                "{\"referencePoint\":{\"nope\":\"1\"}}; /referencePoint/nope",
                "{\"referencePoint\":{\"note\":\"n\",\"setAt\":\"yesterday\"}}; /referencePoint/setAt",
                "{\"referencePoint\":{\"note\":\"n\",\"setAt\":\"2026-02-30T00:00:00Z\"}}; /referencePoint/setAt",
                "{\"granularity\":512}; /granularity",
                "{\"enabled\":true,\"enabled\":true}; /enabled",
                "[]; ''",
                "null; ''",
                "{} {}; ''",
                "{'enabled':true}; ''",
                "{\"enabled\":true; ''",
            })
    void patchIsTakenLiterally(String body, String pointer) {
        disk.with("a");
        String etag = disk.get("a").etag();
        JsonNode problem = disk.patch("a", body).problem(400, "invalid-request");
        assertThat(problem.at("/errors/0/pointer").asString()).isEqualTo(pointer);
        assertThat(disk.get("a").etag()).isEqualTo(etag);
    }

    @Test
    void deleteWorksInEveryState() {
        disk.with("a").with("b").with("c");
        assertThat(disk.delete("/bitmaps/b").status()).isEqualTo(204);
        disk.delete("/bitmaps/b").problem(404, "bitmap-not-found");
        ImageBytes bytes = disk.bytes();
        long flags = bytes.directoryEntry(0) + 12;
        bytes.u32(flags, bytes.u32(flags) | 1);
        disk.patch("a", "{\"enabled\":false}").problem(409, "bitmap-inconsistent");
        disk.post("/bitmaps/c/merge", "{\"sources\":[{\"bitmap\":\"a\"}]}")
                .problem(409, "bitmap-inconsistent");
        disk.delete("/bitmaps").problem(400, "invalid-request");
        disk.delete("/bitmaps?state=NONE").problem(400, "invalid-request");
        Answer deleted = disk.delete("/bitmaps?state=INCONSISTENT");
        assertThat(deleted.json().path("deleted").toString()).isEqualTo("[\"a\"]");
        assertThat(deleted.etag()).isEqualTo(disk.etag());
        assertThat(disk.delete("/bitmaps?state=INCONSISTENT").json().path("deleted").size())
                .isZero();
        assertThat(disk.delete("/bitmaps?state=ALL").json().path("deleted").toString())
                .isEqualTo("[\"c\"]");
        assertThat(disk.bitmaps()).isEmpty();
    }

    @Test
    void clearDropsTheReferencePoint() {
        disk.with("a", 0, MIB);
        disk.patch("a", "{" + POINT + "}").json();
        JsonNode cleared = Disks.requireSame(disk.post("/bitmaps/a/clear", ""), disk.bitmap("a"));
        assertThat(cleared.path("dirtyBytes").asLong(-1)).isZero();
        assertThat(cleared.has("referencePoint")).isFalse();
        assertThat(disk.post("/bitmaps/a/clear", "{" + POINT + "}").json().has("referencePoint"))
                .isTrue();
        assertThat(disk.post("/bitmaps/a/clear", "{}").json().has("referencePoint")).isFalse();
        disk.post("/bitmaps/a/clear", "{\"referencePoint\":null}").problem(400, "invalid-request");
    }

    @Test
    void mergeReadsOtherImages() {
        disk.with("a", 0, 65536).with("b", MIB, 65536);
        disk.patch("a", "{" + POINT + "}").json();
        Disk other = disks.create("other.qcow2", "1G", "cluster_size=4k").with("x", 5 * MIB, 1);
        Answer merged =
                disk.post(
                        "/bitmaps/a/merge",
                        "{\"sources\":[{\"bitmap\":\"b\"},{\"bitmap\":\"x\",\"image\":\"%s\"}]}"
                                .formatted(other.name()));
        JsonNode bitmap = Disks.requireSame(merged, disk.bitmap("a"));
        assertThat(bitmap.has("referencePoint")).isTrue();
        assertThat(disk.dirty("a")).containsExactly("0+65536", "1048576+65536", "5242880+65536");
        Disk tiny = disks.create("tiny.qcow2", "1M").with("x");
        disk.post(
                        "/bitmaps/a/merge",
                        "{\"sources\":[{\"bitmap\":\"x\",\"image\":\"%s\"}]}"
                                .formatted(tiny.name()))
                .problem(422, "size-mismatch");
        disk.post("/bitmaps/a/merge", "{\"sources\":[{\"bitmap\":\"none\"}]}")
                .problem(404, "bitmap-not-found");
        disk.post("/bitmaps/a/merge", "{\"sources\":[{\"bitmap\":\"x\",\"image\":\"none\"}]}")
                .problem(404, "image-not-found");
        disk.post("/bitmaps/a/merge", "{\"sources\":[]}").problem(400, "invalid-request");
        disk.post("/bitmaps/a/merge", "").problem(400, "invalid-request");
    }

    @Test
    void copyTakesTheReferencePointAlong() {
        disk.with("a", 65536, 65536);
        disk.patch("a", "{\"enabled\":false," + POINT + "}").json();
        Answer copied = disk.post("/bitmaps/a/copy", "{\"name\":\"b\",\"granularity\":1048576}");
        JsonNode copy = Disks.requireSame(copied, disk.bitmap("b"));
        assertThat(copied.header("Location")).isEqualTo(disk.bitmap("b"));
        assertThat(copy.path("enabled").asBoolean()).isFalse();
        assertThat(copy.path("referencePoint"))
                .isEqualTo(disk.get("a").json().path("referencePoint"));
        assertThat(disk.dirty("b")).containsExactly("0+1048576");
        disk.post("/bitmaps/a/copy", "{\"name\":\"b\"}").problem(409, "bitmap-exists");
        Disk other = disks.create("other.qcow2", "1G");
        Answer there =
                disk.post(
                        "/bitmaps/a/copy",
                        "{\"name\":\"c\",\"enabled\":true,\"image\":\"%s\"}"
                                .formatted(other.name()));
        assertThat(there.header("Location")).isEqualTo(other.bitmap("c"));
        Disks.requireSame(there, other.bitmap("c"));
        assertThat(other.dirty("c")).containsExactly("65536+65536");
        assertThat(disk.bitmaps()).containsExactly("a", "b");
    }

    @Test
    void markWidensDirtAndNarrowsCleanness() {
        disk.with("a");
        disk.patch("a", "{" + POINT + "}").json();
        Answer marked =
                disk.post(
                        "/bitmaps/a/mark",
                        "{\"ranges\":[{\"offset\":300000,\"length\":1},{\"offset\":0,\"length\":262144}],\"dirty\":true}");
        assertThat(Disks.requireSame(marked, disk.bitmap("a")).has("referencePoint")).isTrue();
        assertThat(disk.dirty("a")).containsExactly("0+327680");
        JsonNode cleaned =
                disk.post(
                                "/bitmaps/a/mark",
                                "{\"ranges\":[{\"offset\":1,\"length\":200000}],\"dirty\":false}")
                        .json();
        assertThat(cleaned.has("referencePoint")).isFalse();
        assertThat(disk.dirty("a")).containsExactly("0+65536", "196608+131072");
        JsonNode problem =
                disk.post(
                                "/bitmaps/a/mark",
                                "{\"ranges\":[{\"offset\":1073741824,\"length\":1}],\"dirty\":true}")
                        .problem(416, "range-not-satisfiable");
        assertThat(problem.path("virtualSize").asLong()).isEqualTo(1 << 30);
        disk.post(
                        "/bitmaps/a/mark",
                        "{\"ranges\":[{\"offset\":0,\"length\":9223372036854775807}],\"dirty\":true}")
                .problem(416, "range-not-satisfiable");
        for (String bad :
                new String[] {
                    "{\"ranges\":[{\"offset\":0,\"length\":0}],\"dirty\":true}",
                    "{\"ranges\":[{\"offset\":-1,\"length\":1}],\"dirty\":true}",
                    "{\"ranges\":[{\"offset\":0,\"length\":1.0}],\"dirty\":true}",
                    "{\"ranges\":[{\"offset\":0,\"length\":9223372036854775808}],\"dirty\":true}",
                    "{\"ranges\":[{\"offset\":0}],\"dirty\":true}",
                    "{\"ranges\":[],\"dirty\":true}",
                    "{\"ranges\":[{\"offset\":0,\"length\":1}]}"
                }) {
            disk.post("/bitmaps/a/mark", bad).problem(400, "invalid-request");
        }
    }

    @Test
    void whatIsWrongWithAnImageForbidsChanges() {
        Disk sound = disk.with("a");
        ImageBytes bytes = sound.bytes();
        bytes.u64(ImageBytes.INCOMPATIBLE_FEATURES, 1);
        disk.post("/bitmaps/a/clear", "").problem(409, "image-dirty");
        bytes.u64(ImageBytes.INCOMPATIBLE_FEATURES, 2);
        disk.delete("/bitmaps/a").problem(409, "image-corrupt");
        bytes.u64(ImageBytes.INCOMPATIBLE_FEATURES, 1L << 40);
        disk.post("/bitmaps", "{\"name\":\"b\"}").problem(422, "unsupported-feature");
        bytes.u64(ImageBytes.INCOMPATIBLE_FEATURES, 0);
        bytes.clearBits64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        disk.post("/bitmaps", "{\"name\":\"b\"}").problem(409, "bitmaps-orphaned");
        disk.patch("a", "{\"enabled\":false}").problem(409, "bitmaps-orphaned");
        bytes.u64(ImageBytes.AUTOCLEAR_FEATURES, 1);
        disk.delete("/bitmaps/a?force=true").problem(400, "invalid-request");
        assertThat(disk.bitmaps()).containsExactly("a");
    }

    @Test
    void imagesAreMadeOnce() {
        String name = disk.name().replace("disk.qcow2", "sub/new.qcow2");
        String body =
                "{\"name\":\"%s\",\"virtualSize\":1048576,\"clusterSize\":4096}".formatted(name);
        Answer made = Disks.CLIENT.send("POST", "/v1/images", body);
        String path = made.header("Location");
        assertThat(made.json(201)).isEqualTo(Disks.CLIENT.json(path));
        assertThat(made.etag()).isEqualTo(Disks.CLIENT.get(path).etag());
        new QemuImg(disks.path("sub")).assertClean("new.qcow2");
        Disks.CLIENT.send("POST", "/v1/images", body).problem(409, "image-exists");
        for (String bad :
                new String[] {"/a", "a/", "a//b", "../a", "a/./b", ".dirtymap/a", "", "a\\u0000"}) {
            Disks.CLIENT
                    .send(
                            "POST",
                            "/v1/images",
                            "{\"name\":\"%s\",\"virtualSize\":512}".formatted(bad))
                    .problem(400, "invalid-request");
        }
        Disks.CLIENT
                .send(
                        "POST",
                        "/v1/images",
                        "{\"name\":\"%s/x\",\"virtualSize\":512}".formatted(name))
                .problem(409, "image-exists");
        Disks.CLIENT
                .send("POST", "/v1/images", "{\"name\":\"x\",\"virtualSize\":1000}")
                .problem(400, "invalid-request");
    }
}
