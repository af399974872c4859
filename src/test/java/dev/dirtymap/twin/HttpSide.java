package dev.dirtymap.twin;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.images.Id;
import dev.dirtymap.testimages.Range;
import dev.dirtymap.twin.Operation.Source;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// The service over the images of one folder below its root.
///
/// That its answers keep the contract is for other tests; here it has to be quick.
///
/// @param port where it listens
/// @param folder its name
record HttpSide(int port, String folder) {

    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private static final String JSON = "application/json";

    /// Sends an operation.
    ///
    /// @return the slug of the problem; empty if it is done
    String apply(String file, Operation operation) {
        return switch (operation) {
            case Operation.Create(
                            String bitmap,
                            Long granularity,
                            boolean enabled,
                            String point) -> {
                ObjectNode body = object().put("name", bitmap).put("enabled", enabled);
                yield post(bitmaps(file), refer(granular(body, granularity), point));
            }
            case Operation.Delete(String bitmap) ->
                    slug(exchange("DELETE", bitmap(file, bitmap), "", new byte[0]));
            case Operation.DeleteAll(String state) ->
                    slug(exchange("DELETE", bitmaps(file) + "?state=" + state, "", new byte[0]));
            case Operation.Clear(String bitmap, String point) ->
                    post(bitmap(file, bitmap) + "/clear", refer(object(), point));
            case Operation.Enable(String bitmap, boolean enabled) ->
                    patch(file, bitmap, object().put("enabled", enabled));
            case Operation.Rename(String bitmap, String name) ->
                    patch(file, bitmap, object().put("name", name));
            case Operation.Refer(String bitmap, String point) ->
                    patch(
                            file,
                            bitmap,
                            point == null
                                    ? object().putNull("referencePoint")
                                    : refer(object(), point));
            case Operation.Merge(String bitmap, List<Source> sources) ->
                    post(bitmap(file, bitmap) + "/merge", sources(object(), file, sources));
            case Operation.Copy copy ->
                    post(bitmap(file, copy.bitmap()) + "/copy", copy(object(), file, copy));
            case Operation.Mark(String bitmap, List<Range> ranges, boolean dirty) -> {
                ObjectNode body = object().put("dirty", dirty);
                ArrayNode list = body.putArray("ranges");
                for (Range range : ranges) {
                    list.addObject().put("offset", range.offset()).put("length", range.length());
                }
                yield post(bitmap(file, bitmap) + "/mark", body);
            }
            case Operation.Replace(String bitmap, List<Range> ranges) ->
                    replace(file, bitmap, ranges);
            case Operation.Transaction(List<Operation> operations) -> {
                ObjectNode body = object();
                ArrayNode list = body.putArray("operations");
                operations.forEach(one -> list.add(inTransaction(file, one)));
                yield post("/v1/images/" + image(file) + "/transactions", body);
            }
        };
    }

    /// Sends one transaction over several images.
    ///
    /// @param parts those of one image one after the other
    /// @return the slug of the problem; empty if it is done
    String applyTogether(List<Operation.Part> parts) {
        SequencedMap<String, ArrayNode> operations = new LinkedHashMap<>();
        ObjectNode body = object();
        ArrayNode list = body.putArray("images");
        for (Operation.Part part : parts) {
            operations
                    .computeIfAbsent(
                            part.file(),
                            file ->
                                    list.addObject()
                                            .put("image", folder + "/" + file)
                                            .putArray("operations"))
                    .add(inTransaction(part.file(), part.operation()));
        }
        return post("/v1/transactions", body);
    }

    /// In directory order.
    List<Model.Entry> list(String file) {
        List<Model.Entry> entries = new ArrayList<>();
        for (JsonNode bitmap : get(bitmaps(file)).path("bitmaps")) {
            String state = bitmap.path("state").asString();
            assertThat(state).isIn("CONSISTENT", "INCONSISTENT");
            JsonNode point = bitmap.at("/referencePoint/lastBackup");
            entries.add(
                    new Model.Entry(
                            bitmap.path("name").asString(),
                            bitmap.path("granularity").asLong(),
                            bitmap.path("enabled").asBoolean(),
                            state.equals("INCONSISTENT"),
                            point.isString() ? point.asString() : null));
        }
        return entries;
    }

    byte[] bits(String file, String bitmap) {
        return exchange("GET", bitmap(file, bitmap) + "/bits", "", new byte[0]).body();
    }

    List<Range> dirty(String file, String bitmap) {
        JsonNode page = get(bitmap(file, bitmap) + "/extents?limit=100000");
        assertThat(page.path("complete").asBoolean()).isTrue();
        List<Range> ranges = new ArrayList<>();
        for (JsonNode extent : page.path("extents")) {
            ranges.add(
                    new Range(
                            extent.path("offset").asLong(), extent.path("length").asLong(), true));
        }
        return ranges;
    }

    private String replace(String file, String bitmap, List<Range> ranges) {
        JsonNode now = get(bitmap(file, bitmap));
        byte[] bits = new byte[bits(file, bitmap).length];
        set(bits, ranges, now.path("granularity").asLong());
        return slug(
                exchange("PUT", bitmap(file, bitmap) + "/bits", "application/octet-stream", bits));
    }

    /// Sets the bits of all granules that ranges touch.
    static void set(byte[] bits, List<Range> ranges, long granularity) {
        for (Range range : ranges) {
            long end = Math.ceilDiv(range.end(), granularity);
            for (long bit = range.offset() / granularity; bit < end; bit++) {
                bits[(int) (bit >> 3)] |= (byte) (1 << (bit & 7));
            }
        }
    }

    private ObjectNode inTransaction(String file, Operation operation) {
        return switch (operation) {
            case Operation.Create(String bitmap, Long granularity, boolean enabled, String point) ->
                    refer(
                            granular(on("CREATE", bitmap).put("enabled", enabled), granularity),
                            point);
            case Operation.Delete(String bitmap) -> on("DELETE", bitmap);
            case Operation.Clear(String bitmap, String point) -> refer(on("CLEAR", bitmap), point);
            case Operation.Enable(String bitmap, boolean enabled) ->
                    on(enabled ? "ENABLE" : "DISABLE", bitmap);
            case Operation.Rename(String bitmap, String name) ->
                    on("RENAME", bitmap).put("name", name);
            case Operation.Merge(String bitmap, List<Source> sources) ->
                    sources(on("MERGE", bitmap), file, sources);
            case Operation.Copy copy -> copy(on("COPY", copy.bitmap()), file, copy);
            case Operation.DeleteAll _,
                    Operation.Refer _,
                    Operation.Mark _,
                    Operation.Replace _,
                    Operation.Transaction _ ->
                    throw new IllegalArgumentException("not in a transaction: " + operation);
        };
    }

    private static ObjectNode on(String op, String bitmap) {
        return object().put("op", op).put("bitmap", bitmap);
    }

    private ObjectNode copy(ObjectNode body, String file, Operation.Copy copy) {
        body.put("name", copy.name());
        if (!copy.image().equals(file)) {
            body.put("image", folder + "/" + copy.image());
        }
        if (copy.enabled() != null) {
            body.put("enabled", copy.enabled());
        }
        return granular(body, copy.granularity());
    }

    private ObjectNode sources(ObjectNode body, String file, List<Source> sources) {
        ArrayNode list = body.putArray("sources");
        for (Source source : sources) {
            ObjectNode one = list.addObject().put("bitmap", source.bitmap());
            if (!source.image().equals(file)) {
                one.put("image", folder + "/" + source.image());
            }
        }
        return body;
    }

    private static ObjectNode granular(ObjectNode body, @Nullable Long granularity) {
        return granularity == null ? body : body.put("granularity", granularity);
    }

    private static ObjectNode refer(ObjectNode body, @Nullable String point) {
        if (point != null) {
            body.putObject("referencePoint").put("lastBackup", point);
        }
        return body;
    }

    private static ObjectNode object() {
        return JsonMapper.shared().createObjectNode();
    }

    private String post(String path, ObjectNode body) {
        return send("POST", path, JSON, body);
    }

    private String patch(String file, String bitmap, ObjectNode body) {
        return send("PATCH", bitmap(file, bitmap), "application/merge-patch+json", body);
    }

    private String send(String method, String path, String type, ObjectNode body) {
        return slug(exchange(method, path, type, body.toString().getBytes(UTF_8)));
    }

    private JsonNode get(String path) {
        HttpResponse<byte[]> response = exchange("GET", path, "", new byte[0]);
        assertThat(slug(response)).as(path).isEmpty();
        return JsonMapper.shared().readTree(response.body());
    }

    private static String slug(HttpResponse<byte[]> response) {
        return response.statusCode() < 400
                ? ""
                : JsonMapper.shared()
                        .readTree(response.body())
                        .path("type")
                        .asString()
                        .substring("/problems/".length());
    }

    private HttpResponse<byte[]> exchange(String method, String path, String type, byte[] body) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                        .method(method, BodyPublishers.ofByteArray(body));
        if (!type.isEmpty()) {
            request.header("Content-Type", type);
        }
        try {
            return HTTP.send(request.build(), BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException(path, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(path, e);
        }
    }

    private String image(String file) {
        return Id.of((folder + "/" + file).getBytes(UTF_8)).toString();
    }

    private String bitmaps(String file) {
        return "/v1/images/" + image(file) + "/bitmaps";
    }

    private String bitmap(String file, String bitmap) {
        return bitmaps(file) + "/" + Id.of(bitmap.getBytes(UTF_8));
    }
}
