package dev.dirtymap.access;

import static dev.dirtymap.access.Scope.DELETE;
import static dev.dirtymap.access.Scope.READ;
import static dev.dirtymap.access.Scope.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Server;
import dev.dirtymap.images.SampleImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/// Each operation, with each set of scopes, on an image inside and outside the prefix of the token.
class AccessTableTest {

    /// One operation in one of its forms. `DIR` is the folder inside or outside the prefix; the image of the path is
    /// `mine/a.qcow2` where a row asks for a second image in `DIR`.
    ///
    /// @param needs the scopes, all of them
    /// @param success its status
    record Row(
            String operation,
            Set<Scope> needs,
            String method,
            String path,
            String body,
            int success) {}

    private static final Set<Scope> R = Set.of(READ);
    private static final Set<Scope> W = Set.of(WRITE);
    private static final Set<Scope> D = Set.of(DELETE);

    private static final String IMAGE = "/v1/images/DIR~2Fa.qcow2";
    private static final String MINE = "/v1/images/mine~2Fa.qcow2";
    private static final String DAILY = IMAGE + "/bitmaps/daily";

    /// Of the sample image: 10 GiB, of which daily has 65536 bytes a bit.
    private static final String BITS = "bits";

    private static final List<Row> ROWS = rows();

    private static List<Row> rows() {
        List<Row> rows = new ArrayList<>();
        rows.add(get("listImages", "/v1/images?prefix=DIR~2F"));
        rows.add(get("getImage", IMAGE));
        rows.add(get("listBitmaps", IMAGE + "/bitmaps"));
        rows.add(get("getBitmap", DAILY));
        rows.add(get("getBits", DAILY + "/bits"));
        rows.add(get("listExtents", DAILY + "/extents?limit=1"));
        rows.add(get("listImageExtents", IMAGE + "/extents?limit=1"));
        rows.add(get("listImageExtents", IMAGE + "/extents?bitmap=daily&limit=1"));
        rows.add(get("splitBitmap", DAILY + "/splits?count=2"));
        rows.add(get("getHeatmap", DAILY + "/heatmap?buckets=4"));
        rows.add(new Row("getProblemType", Set.of(), "GET", "/problems/not-found", "", 200));
        rows.add(
                post(
                        "createImage",
                        W,
                        "/v1/images",
                        "{'name':'DIR/new.qcow2','virtualSize':1048576}",
                        201));
        rows.add(post("createBitmap", W, IMAGE + "/bitmaps", "{'name':'new'}", 201));
        rows.add(new Row("patchBitmap", W, "PATCH", DAILY, json("{'enabled':false}"), 200));
        rows.add(new Row("patchBitmap", W, "PATCH", DAILY, json("{'name':'other'}"), 200));
        rows.add(
                post(
                        "markBitmap",
                        W,
                        DAILY + "/mark",
                        "{'ranges':[{'offset':0,'length':1}],'dirty':true}",
                        200));
        rows.add(
                post(
                        "markBitmap",
                        W,
                        DAILY + "/mark",
                        "{'ranges':[{'offset':0,'length':65536}],'dirty':false}",
                        200));
        String monday = "{'sources':[{'bitmap':'monday'}]}";
        rows.add(post("mergeBitmaps", W, DAILY + "/merge", monday, 200));
        rows.add(
                post(
                        "mergeBitmaps",
                        W,
                        MINE + "/bitmaps/daily/merge",
                        "{'sources':[{'bitmap':'monday','image':'DIR/b.qcow2'}]}",
                        200));
        rows.add(post("copyBitmap", W, DAILY + "/copy", "{'name':'new'}", 201));
        rows.add(
                post(
                        "copyBitmap",
                        W,
                        MINE + "/bitmaps/daily/copy",
                        "{'name':'new','imageId':'DIR~2Fb.qcow2'}",
                        201));
        rows.add(new Row("putBits", Set.of(WRITE, DELETE), "PUT", DAILY + "/bits", BITS, 200));
        rows.add(post("checkImage", W, IMAGE + "/check", "", 200));
        rows.add(
                post("checkImage", W, IMAGE + "/check", "{'repair':'BITMAPS','dryRun':true}", 200));
        rows.add(post("checkImage", D, IMAGE + "/check", "{'repair':'BITMAPS'}", 200));
        rows.add(post("checkImage", D, IMAGE + "/check", "{'repair':'LEAKS'}", 200));
        rows.add(post("clearBitmap", D, DAILY + "/clear", "", 200));
        rows.add(new Row("deleteBitmap", D, "DELETE", DAILY, "", 204));
        rows.add(new Row("deleteBitmaps", D, "DELETE", IMAGE + "/bitmaps?state=ALL", "", 200));
        Map<String, Set<Scope>> operations =
                Map.of(
                        "{'op':'CREATE','bitmap':'new'}", W,
                        "{'op':'ENABLE','bitmap':'daily'}", W,
                        "{'op':'DISABLE','bitmap':'daily'}", W,
                        "{'op':'MERGE','bitmap':'daily','sources':[{'bitmap':'monday'}]}", W,
                        "{'op':'COPY','bitmap':'daily','name':'new'}", W,
                        "{'op':'RENAME','bitmap':'daily','name':'new'}", W,
                        "{'op':'CLEAR','bitmap':'daily'}", D,
                        "{'op':'DELETE','bitmap':'daily'}", D,
                        "{'op':'CLEAR','bitmap':'daily'},{'op':'CREATE','bitmap':'new'}",
                                Set.of(WRITE, DELETE));
        operations.forEach((operation, needs) -> {
            rows.add(transaction(needs, IMAGE, operation));
            rows.add(
                    post(
                            "runTransactions",
                            needs,
                            "/v1/transactions",
                            ("{'images':[{'image':'mine/b.qcow2','operations':[%1$s]},"
                                            + "{'image':'DIR/a.qcow2','operations':[%1$s]}]}")
                                    .formatted(operation),
                            200));
        });
        rows.add(
                transaction(
                        W,
                        MINE,
                        "{'op':'MERGE','bitmap':'daily','sources':[{'bitmap':'monday','image':'DIR/b.qcow2'}]}"));
        return List.copyOf(rows);
    }

    private static Row get(String operation, String path) {
        return new Row(operation, R, "GET", path, "", 200);
    }

    private static Row post(
            String operation, Set<Scope> needs, String path, String body, int success) {
        return new Row(operation, needs, "POST", path, json(body), success);
    }

    private static Row transaction(Set<Scope> needs, String image, String operation) {
        return post(
                "runTransaction",
                needs,
                image + "/transactions",
                "{'operations':[" + operation + "]}",
                200);
    }

    private static String json(String text) {
        return text.replace('\'', '"');
    }

    /// A row with one token.
    ///
    /// @param scopes none for no token at all
    record Cell(Row row, Set<Scope> scopes, boolean inside) {

        @Override
        public String toString() {
            return "%s %s %s with %s %s"
                    .formatted(
                            row.operation,
                            row.path,
                            row.body,
                            Scope.texts(scopes),
                            inside ? "inside" : "outside");
        }
    }

    @TempDir static Path root;
    @TempDir static Path outside;

    private static final Map<Set<Scope>, IssuedToken> TOKENS = new HashMap<>();

    private static Path original;
    private static byte[] bits;
    private static Server server;
    private static Client client;

    private static List<Set<Scope>> sets() {
        List<Set<Scope>> sets = List.of(Set.of());
        for (Scope scope : Scope.values()) {
            List<Set<Scope>> more = new ArrayList<>(sets);
            for (Set<Scope> fewer : sets) {
                Set<Scope> with = EnumSet.of(scope);
                with.addAll(fewer);
                more.add(Set.copyOf(with));
            }
            sets = more;
        }
        return sets;
    }

    static Stream<Cell> cells() {
        return ROWS.stream()
                .flatMap(row ->
                        sets().stream()
                                .flatMap(scopes ->
                                        Stream.of(true, false)
                                                .map(inside -> new Cell(row, scopes, inside))));
    }

    @BeforeAll
    static void start() throws IOException {
        original = SampleImage.write(outside.resolve("sample.qcow2"));
        for (String folder : List.of("mine", "theirs")) {
            Files.createDirectory(root.resolve(folder));
            restore(folder);
        }
        List<String> lines = new ArrayList<>();
        for (Set<Scope> scopes : sets()) {
            if (!scopes.isEmpty()) {
                List<String> options = new ArrayList<>(List.of("--prefix", "mine/"));
                scopes.forEach(scope -> options.addAll(List.of("--scope", scope.text())));
                IssuedToken token =
                        IssuedToken.of("table-" + lines.size(), options.toArray(new String[0]));
                TOKENS.put(scopes, token);
                lines.add(token.line());
            }
        }
        Path file = Files.write(outside.resolve("tokens.jsonl"), lines);
        server = Server.start(root, "dirtymap.auth.mode=token", "dirtymap.auth.tokens=" + file);
        client = Client.of(server);
        bits = client.get(MINE + "/bitmaps/daily/bits", token(R)).body();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static void restore(String folder) throws IOException {
        for (String name : List.of("a.qcow2", "b.qcow2")) {
            Files.copy(
                    original,
                    root.resolve(folder).resolve(name),
                    StandardCopyOption.REPLACE_EXISTING);
        }
        Files.deleteIfExists(root.resolve(folder).resolve("new.qcow2"));
    }

    @ParameterizedTest
    @MethodSource("cells")
    void everyCellOfTheTable(Cell cell) throws IOException {
        Row row = cell.row;
        Answer answer = send(cell);
        if (row.needs.isEmpty()) {
            assertThat(answer.status()).isEqualTo(row.success);
        } else if (cell.scopes.isEmpty()) {
            answer.problem(401, "unauthenticated");
            assertThat(answer.header("WWW-Authenticate")).isEqualTo("Bearer");
        } else if (!cell.scopes.containsAll(row.needs)) {
            answer.problem(403, "insufficient-scope");
            assertThat(answer.header("WWW-Authenticate"))
                    .startsWith("Bearer error=\"insufficient_scope\", scope=\"bitmaps:");
        } else if (row.operation.equals("listImages")) {
            assertThat(answer.json().path("images").size()).isEqualTo(cell.inside ? 2 : 0);
            assertThat(answer.json().has("nextCursor")).isFalse();
        } else if (cell.inside) {
            assertThat(answer.status()).as("%s", answer.slug()).isEqualTo(row.success);
        } else {
            answer.problem(404, "image-not-found");
        }
        if (!row.method.equals("GET") && answer.status() < 400) {
            restore("mine");
        }
        assertThat(root.resolve("theirs/new.qcow2")).doesNotExist();
        assertThat(Files.mismatch(original, root.resolve("theirs/a.qcow2"))).isEqualTo(-1);
    }

    /// The header to send.
    private static String[] token(Set<Scope> scopes) {
        IssuedToken token = TOKENS.get(scopes);
        return token == null ? new String[0] : token.header();
    }

    private static Answer send(Cell cell) {
        Row row = cell.row;
        String folder = cell.inside ? "mine" : "theirs";
        String path = row.path.replace("DIR", folder);
        String[] token = token(cell.scopes);
        if (row.body.equals(BITS)) {
            List<String> headers = new ArrayList<>(List.of(token));
            headers.addAll(List.of("Content-Type", "application/octet-stream"));
            return client.send("PUT", path, bits, headers.toArray(new String[0]));
        }
        return client.send(row.method, path, row.body.replace("DIR", folder), token);
    }

    /// A route that nobody thought of here fails this test.
    @Test
    void everyOperationOfTheContractIsInTheTable() throws IOException {
        JsonNode contract =
                YAMLMapper.shared().readTree(Files.readString(Path.of("openapi/openapi.yaml")));
        Map<String, Set<String>> documented = new HashMap<>();
        for (JsonNode path : contract.path("paths")) {
            for (JsonNode operation : path) {
                Set<String> alternatives = new TreeSet<>();
                for (JsonNode either : operation.path("security")) {
                    alternatives.add(
                            either.path("bearer")
                                    .valueStream()
                                    .map(JsonNode::asString)
                                    .sorted()
                                    .collect(Collectors.joining(" ")));
                }
                documented.put(operation.path("operationId").asString(), alternatives);
            }
        }
        Map<String, Set<String>> tested = new HashMap<>();
        for (Row row : ROWS) {
            Set<String> alternatives = tested.computeIfAbsent(row.operation, _ -> new TreeSet<>());
            // What needs two scopes because of two operations in its body needs either before that
            // is read.
            if (!row.needs.isEmpty()
                    && !(row.operation.startsWith("runTransaction") && row.needs.size() > 1)) {
                alternatives.add(
                        row.needs.stream()
                                .map(Scope::text)
                                .sorted()
                                .collect(Collectors.joining(" ")));
            }
        }
        assertThat(documented).isEqualTo(tested);
    }
}
