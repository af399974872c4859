package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Disks.Disk;
import dev.dirtymap.testimages.ImageBytes;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/// Checks and repairs through the API.
class CheckRouteTest {

    private final Disks disks = new Disks();
    private final Disk disk = disks.create("disk.qcow2", "1G").with("a", 0, 1).with("b", 0, 1);

    @Test
    void aSoundImageHasNoFindings() {
        for (String body : new String[] {"", "{}", "{\"repair\":\"LEAKS\"}"}) {
            JsonNode report = disk.post("/check", body).json();
            assertThat(report.path("consistent").asBoolean()).isTrue();
            assertThat(report.path("errors").size()).isZero();
        }
        disk.post("/check", "{\"repair\":\"ALL\"}").problem(400, "invalid-request");
        disk.post("/check", "{\"dropUnsupported\":true}").problem(400, "invalid-request");
        disks.assertClean();
    }

    @Test
    void aBrokenBitmapIsGivenUpAndTheOthersAreKept() {
        ImageBytes bytes = disk.bytes();
        bytes.u64(bytes.directoryEntry(0), 1);
        disk.post("/bitmaps/a/clear", "").problem(409, "bitmap-corrupt");
        String etag = disk.etag();
        JsonNode planned = disk.post("/check", "{\"repair\":\"BITMAPS\",\"dryRun\":true}").json();
        assertThat(planned.at("/repairs/0/bitmap").asString()).isEqualTo("a");
        assertThat(planned.path("errors").findValuesAsString("repair")).contains("BITMAPS");
        assertThat(disk.etag()).isEqualTo(etag);
        JsonNode repaired = disk.post("/check", "{\"repair\":\"BITMAPS\"}").json();
        assertThat(repaired.path("repairs")).isEqualTo(planned.path("repairs"));
        assertThat(disk.bitmaps()).containsExactly("b");
        assertThat(disk.dirty("b")).containsExactly("0+65536");
        JsonNode freed = disk.post("/check", "{\"repair\":\"LEAKS\"}").json();
        assertThat(freed.path("consistent").asBoolean()).as("%s", freed).isTrue();
        disks.assertClean();
    }
}
