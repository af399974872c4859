package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.images.Id;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.QemuImg;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/// Images in a folder of their own, to be changed through the shared server.
final class Disks {

    static final Client CLIENT = Client.of(Server.shared());

    private final Path folder = Server.shared().newFolder();
    private final QemuImg qemuImg = new QemuImg(folder);
    private final List<String> files = new ArrayList<>();

    QemuImg qemuImg() {
        return qemuImg;
    }

    /// Makes an image that is demanded to be sound in the end.
    Disk create(String file, String size, String... options) {
        qemuImg.create(file, size, options);
        files.add(file);
        return new Disk(this, file);
    }

    /// An image that need not be there.
    Disk disk(String file) {
        return new Disk(this, file);
    }

    Path path(String file) {
        return folder.resolve(file);
    }

    /// Demands that QEMU finds nothing wrong.
    void assertClean() {
        files.forEach(qemuImg::assertClean);
    }

    /// One image.
    record Disk(Disks disks, String file) {

        /// Its name below the root.
        String name() {
            return disks.folder.getFileName() + "/" + file;
        }

        /// Its path in the API.
        String path() {
            return "/v1/images/" + Id.of(name().getBytes(StandardCharsets.UTF_8));
        }

        String bitmap(String id) {
            return path() + "/bitmaps/" + id;
        }

        ImageBytes bytes() {
            return new ImageBytes(disks.path(file));
        }

        /// Makes a bitmap with granules of 64 KiB through the API.
        ///
        /// @param dirty offset and length of dirty ranges by turns
        Disk with(String name, long... dirty) {
            CLIENT.send(
                            "POST",
                            path() + "/bitmaps",
                            "{\"name\":\"%s\",\"granularity\":65536}".formatted(name))
                    .json(201);
            if (dirty.length > 0) {
                List<String> ranges = new ArrayList<>();
                for (int i = 0; i < dirty.length; i += 2) {
                    ranges.add("{\"offset\":%d,\"length\":%d}".formatted(dirty[i], dirty[i + 1]));
                }
                post(
                                "/bitmaps/%s/mark".formatted(name),
                                "{\"ranges\":[%s],\"dirty\":true}"
                                        .formatted(String.join(",", ranges)))
                        .json();
            }
            return this;
        }

        Answer post(String path, String json, String... headers) {
            return CLIENT.send("POST", path() + path, json, headers);
        }

        Answer patch(String bitmap, String json, String... headers) {
            return CLIENT.send("PATCH", bitmap(bitmap), json, headers);
        }

        Answer delete(String path, String... headers) {
            return CLIENT.send("DELETE", path() + path, "", headers);
        }

        Answer put(String bitmap, byte[] bits, String... headers) {
            String[] all = java.util.Arrays.copyOf(headers, headers.length + 2);
            all[headers.length] = "Content-Type";
            all[headers.length + 1] = "application/octet-stream";
            return CLIENT.send("PUT", bitmap(bitmap) + "/bits", bits, all);
        }

        Answer get(String bitmap) {
            return CLIENT.get(bitmap(bitmap));
        }

        /// The ids of its bitmaps.
        List<String> bitmaps() {
            return CLIENT.json(path() + "/bitmaps")
                    .path("bitmaps")
                    .valueStream()
                    .map(bitmap -> bitmap.path("id").asString())
                    .toList();
        }

        /// The dirty extents of a bitmap as `offset+length`.
        List<String> dirty(String bitmap) {
            return CLIENT.json(bitmap(bitmap) + "/extents")
                    .path("extents")
                    .valueStream()
                    .map(extent ->
                            extent.path("offset").asLong() + "+" + extent.path("length").asLong())
                    .toList();
        }

        String etag() {
            return CLIENT.get(path()).etag();
        }
    }

    /// Demands that an answer shows a bitmap as a GET shows it, ETag included.
    static JsonNode requireSame(Answer answer, String path) {
        assertThat(answer.status()).as("%s", answer.slug()).isIn(200, 201);
        Answer got = CLIENT.get(path);
        assertThat(answer.json(answer.status())).isEqualTo(got.json());
        assertThat(answer.etag()).isEqualTo(got.etag());
        return got.json();
    }
}
