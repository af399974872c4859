package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Disks.Disk;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// `If-Match` on every change.
class IfMatchTest {

    private final Disks disks = new Disks();
    private final Disk disk = disks.create("disk.qcow2", "1G").with("a", 0, 1).with("b");

    @AfterEach
    void qemuFindsNothingWrong() {
        disks.assertClean();
    }

    private record Change(String method, String path, String body) {}

    private List<Change> changesOfTheBitmap() {
        return List.of(
                new Change("PATCH", disk.bitmap("a"), "{\"enabled\":false}"),
                new Change("POST", disk.bitmap("a") + "/clear", ""),
                new Change(
                        "POST", disk.bitmap("a") + "/merge", "{\"sources\":[{\"bitmap\":\"b\"}]}"),
                new Change("POST", disk.bitmap("a") + "/copy", "{\"name\":\"c\"}"),
                new Change(
                        "POST",
                        disk.bitmap("a") + "/mark",
                        "{\"ranges\":[{\"offset\":0,\"length\":1}],\"dirty\":true}"),
                new Change("DELETE", disk.bitmap("a"), ""));
    }

    private List<Change> changesOfTheImage() {
        return List.of(
                new Change("POST", disk.path() + "/bitmaps", "{\"name\":\"c\"}"),
                new Change(
                        "POST",
                        disk.path() + "/transactions",
                        "{\"operations\":[{\"op\":\"CLEAR\",\"bitmap\":\"b\"}]}"),
                new Change("POST", disk.path() + "/check", ""),
                new Change("DELETE", disk.path() + "/bitmaps?state=INCONSISTENT", ""));
    }

    private static Answer send(Change change, String ifMatch) {
        return Disks.CLIENT.send(change.method, change.path, change.body, "If-Match", ifMatch);
    }

    private void requireHonoured(List<Change> changes, String path, String foreign) {
        for (Change change : changes) {
            String etag = Disks.CLIENT.get(path).etag();
            for (String other :
                    List.of("\"x\"", "W/" + etag, etag.replace("\"", ""), "", foreign, "\"\"")) {
                send(change, other).problem(412, "precondition-failed");
            }
            assertThat(Disks.CLIENT.get(path).etag()).isEqualTo(etag);
            assertThat(send(change, "\"x\", " + etag).status()).as("%s", change).isLessThan(300);
            if (change.method.equals("PATCH")) {
                assertThat(send(change, "*").status()).isEqualTo(200);
            }
        }
    }

    @Test
    void onABitmapItIsTheBitmaps() {
        requireHonoured(changesOfTheBitmap(), disk.bitmap("a"), disk.etag());
    }

    @Test
    void elsewhereItIsTheImages() {
        requireHonoured(changesOfTheImage(), disk.path(), disk.get("a").etag());
    }

    @Test
    void whatIsNotThereIsNotFound() {
        for (String tag : List.of("*", "\"x\"")) {
            disk.patch("none", "{}", "If-Match", tag).problem(404, "bitmap-not-found");
            disks.disk("none")
                    .post("/bitmaps", "{\"name\":\"a\"}", "If-Match", tag)
                    .problem(404, "image-not-found");
        }
    }

    @Test
    void everyChangeMovesTheTag() {
        String before = disk.get("a").etag();
        for (String point : List.of("{\"note\":\"1\"}", "{\"note\":\"2\"}", "null")) {
            Answer answer =
                    disk.patch("a", "{\"referencePoint\":%s}".formatted(point), "If-Match", before);
            assertThat(answer.status()).isEqualTo(200);
            assertThat(answer.etag()).isNotEqualTo(before);
            before = answer.etag();
        }
        byte[] bits = Disks.CLIENT.get(disk.bitmap("a") + "/bits").body();
        bits[0] ^= 2;
        disk.put("a", bits, "If-Match", "\"x\"").problem(412, "precondition-failed");
        assertThat(disk.put("a", bits, "If-Match", before).etag()).isNotEqualTo(before);
    }
}
