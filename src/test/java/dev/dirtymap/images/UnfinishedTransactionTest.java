package dev.dirtymap.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.Server;
import dev.dirtymap.testimages.QemuImg;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/// What clients and operators see of a transaction over several images that was cut short.
class UnfinishedTransactionTest {

    private static final Server SERVER = Server.shared();
    private static final Client CLIENT = Client.of(SERVER);

    private final Path folder = SERVER.newFolder();
    private final QemuImg qemu = new QemuImg(folder);
    private final Path journal = SERVER.root().resolve(Crashed.JOURNAL);

    private String name(String image) {
        return folder.getFileName() + "/" + image;
    }

    private String path(String image) {
        return "/v1/images/" + Crashed.id(name(image));
    }

    private void cutShort() throws Exception {
        for (String image : List.of("a.qcow2", "b.qcow2", "other.qcow2")) {
            qemu.create(image, "64M");
            qemu.bitmapAdd(image, "old", 65536, true);
        }
        Crashed.stop(SERVER.root(), 1, List.of(name("a.qcow2"), name("b.qcow2")), () -> true);
    }

    private static JsonNode health(int status) {
        JsonNode health = CLIENT.get("/actuator/health").json(status);
        return health.path("components").path("transactions");
    }

    @Test
    void oneThatCanBeFinishedShowsNowhere() throws Exception {
        cutShort();
        assertThat(CLIENT.json(path("b.qcow2") + "/bitmaps").at("/bitmaps/0/name").asString())
                .isEqualTo("new");
        assertThat(journal).doesNotExist();
        assertThat(health(200).path("status").asString()).isEqualTo("UP");
    }

    @Test
    void oneThatCannotStopsItsImagesAndIsToldByTheHealth() throws Exception {
        cutShort();
        try {
            qemu.bitmapAdd("b.qcow2", "foreign", 65536, true);
            for (String image : List.of("a.qcow2", "b.qcow2")) {
                requireUnfinished(CLIENT.get(path(image)));
                requireUnfinished(CLIENT.get(path(image) + "/bitmaps/old/extents"));
                requireUnfinished(
                        CLIENT.send("POST", path(image) + "/bitmaps", "{\"name\":\"more\"}"));
            }
            requireUnfinished(
                    CLIENT.send(
                            "POST",
                            "/v1/transactions",
                            """
                            {"images":[
                            {"image":"%s","operations":[{"op":"CLEAR","bitmap":"old"}]},
                            {"image":"%s","operations":[{"op":"CLEAR","bitmap":"old"}]}]}\
                            """
                                    .formatted(name("b.qcow2"), name("other.qcow2"))));

            JsonNode down = health(503);
            assertThat(down.path("status").asString()).isEqualTo("DOWN");
            assertThat(down.at("/details/unfinished/0").asString())
                    .contains(Crashed.JOURNAL, "b.qcow2");
            // All others are served as ever.
            for (String probe : List.of("liveness", "readiness")) {
                assertThat(CLIENT.get("/actuator/health/" + probe).status()).isEqualTo(200);
            }
            CLIENT.send("POST", path("other.qcow2") + "/bitmaps", "{\"name\":\"more\"}").json(201);
            CLIENT.json("/v1/images?prefix=" + Crashed.id(name("")));
        } finally {
            // As the runbook has it.
            Files.delete(journal);
        }
        assertThat(health(200).path("status").asString()).isEqualTo("UP");
        CLIENT.json(path("a.qcow2"));
        CLIENT.json(path("b.qcow2"));
    }

    private static void requireUnfinished(Client.Answer answer) {
        JsonNode problem = answer.problem(409, "transaction-unfinished");
        assertThat(problem.path("journal").asString()).isEqualTo(Crashed.JOURNAL);
    }
}
