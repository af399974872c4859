package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Client;
import dev.dirtymap.http.Client.Answer;
import dev.dirtymap.http.Server;
import dev.dirtymap.images.SampleImage;
import dev.dirtymap.testimages.QemuImg;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// A service with named tokens, in a process of its own: the file, what is open to whom, what a prefix hides, and the
/// audit log.
class TokenModeTest {

    private static final String[] ALL_SCOPES = {
        "--scope", "bitmaps:read", "--scope", "bitmaps:write", "--scope", "bitmaps:delete"
    };

    @TempDir static Path root;
    @TempDir static Path folder;

    private static final IssuedToken ALL = IssuedToken.of("operator", ALL_SCOPES);
    private static final IssuedToken WRITER = IssuedToken.of("writer", "--scope", "bitmaps:write");
    private static final IssuedToken EXPIRED =
            IssuedToken.of("old", "--scope", "bitmaps:read", "--expires", "2020-02-29");
    private static final IssuedToken LATER =
            IssuedToken.of("later", "--scope", "bitmaps:read", "--expires", "2999-01-01");
    private static final IssuedToken TENANT = IssuedToken.of("tenant", withPrefix(ALL_SCOPES));

    private static String[] withPrefix(String... options) {
        List<String> all = new ArrayList<>(List.of(options));
        all.addAll(List.of("--prefix", "mine/", "--prefix", "shared/base.qcow2"));
        return all.toArray(new String[0]);
    }

    private static Path file;
    private static List<String> lines;
    private static Server server;
    private static Client client;

    @BeforeAll
    static void start() throws IOException {
        for (String name : List.of("mine", "theirs", "shared")) {
            Files.createDirectory(root.resolve(name));
        }
        SampleImage.write(root.resolve("mine/a.qcow2"));
        SampleImage.write(root.resolve("theirs/a.qcow2"));
        SampleImage.write(root.resolve("mine2.qcow2"));
        QemuImg qemuImg = new QemuImg(root);
        qemuImg.create("theirs/base.qcow2", "1G");
        qemuImg.create("shared/base.qcow2", "1G");
        overlay(qemuImg, "../theirs/base.qcow2", "mine/over-theirs.qcow2");
        overlay(qemuImg, "../shared/base.qcow2", "mine/over-shared.qcow2");
        overlay(qemuImg, "../theirs/gone.qcow2", "mine/over-nothing.qcow2");
        lines =
                List.of(
                        "# made by a test",
                        "",
                        ALL.line(),
                        WRITER.line(),
                        EXPIRED.line(),
                        LATER.line(),
                        TENANT.line());
        file = Files.write(folder.resolve("tokens.jsonl"), lines);
        server = Server.start(root, "dirtymap.auth.mode=token", "dirtymap.auth.tokens=" + file);
        client = Client.of(server);
    }

    private static void overlay(QemuImg qemuImg, String backing, String name) {
        qemuImg.run("create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", "qcow2", name, "1G");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static Answer as(IssuedToken token, String path) {
        return client.get(path, token.header());
    }

    @Test
    void aTokenLetsInAsLongAsItLasts() {
        as(ALL, "/v1/images").json();
        as(LATER, "/v1/images").json();
        Answer expired = as(EXPIRED, "/v1/images");
        assertThat(expired.problem(401, "unauthenticated").path("detail").asString())
                .isEqualTo("the token 'old' expired at 2020-02-29T00:00:00Z");
        assertThat(expired.header("WWW-Authenticate")).isEqualTo("Bearer error=\"invalid_token\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Bearer",
                "Bearer ",
                "Bearer dmt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "Bearer not a token",
                "Bearer \u00fc",
                "Basic b3BlcmF0b3I6",
                "bearer",
                ""
            })
    void everythingElseIsRefused(String header) {
        Answer answer = client.get("/v1/images", "Authorization", header);
        answer.problem(401, "unauthenticated");
        assertThat(answer.header("WWW-Authenticate")).startsWith("Bearer");
        assertThat(answer.header("X-Request-Id")).isNotEmpty();
    }

    @Test
    void aTokenInTheQueryIsNone() {
        client.get("/v1/images?access_token=" + ALL.token()).problem(401, "unauthenticated");
    }

    @Test
    void aPathThatIsNotThereIsToldToCallersOnly() {
        client.get("/v1/nothing").problem(401, "unauthenticated");
        as(ALL, "/v1/nothing").problem(404, "not-found");
        as(ALL, "/v1/images/..%2fx").problem(400, "invalid-request");
        as(ALL, "/v1/images/a;b").problem(400, "invalid-request");
        as(ALL, "/v1/images//x").problem(404, "not-found");
    }

    @ParameterizedTest
    @CsvSource({
        "/actuator/health, 200, 200, 200",
        "/actuator/health/liveness, 200, 200, 200",
        "/actuator/health/readiness, 200, 200, 200",
        "/actuator/health/transactions, 401, 403, 200",
        "/actuator/prometheus, 401, 403, 200",
        "/actuator/info, 401, 403, 200",
        "/actuator, 401, 403, 200",
        "/actuator/env, 401, 403, 404",
        "/swagger-ui/index.html, 200, 200, 200",
        "/swagger-ui/swagger-ui.css, 200, 200, 200",
        "/v3/api-docs, 200, 200, 200",
        "/v3/api-docs.yaml, 200, 200, 200",
        "/v3/api-docs/swagger-config, 200, 200, 200",
        "/problems/unauthenticated, 200, 200, 200",
        "/problems/insufficient-scope, 200, 200, 200",
        "/v1/images, 401, 200, 200",
        "/, 401, 404, 404",
        "/error, 401, 404, 404"
    })
    void whatIsOpenToWhom(String path, int nobody, int tenant, int operator) {
        assertThat(client.get(path).status()).isEqualTo(nobody);
        assertThat(as(TENANT, path).status()).isEqualTo(tenant);
        assertThat(as(ALL, path).status()).isEqualTo(operator);
    }

    @Test
    void healthShowsWhatItIsMadeOfToThoseWhoSeeAllImages() {
        for (String path : List.of("/actuator/health", "/actuator/health/readiness")) {
            assertThat(client.json(path).has("components")).isFalse();
            assertThat(as(TENANT, path).json().has("components")).isFalse();
            assertThat(as(WRITER, path).json().has("components")).isFalse();
        }
        JsonNode components = as(ALL, "/actuator/health").json().path("components");
        assertThat(components.at("/tokens/status").asString()).isEqualTo("UP");
        assertThat(components.at("/transactions/status").asString()).isEqualTo("UP");
    }

    @Test
    void anImageOutsideThePrefixesIsInNoList() {
        List<String> names = new ArrayList<>();
        String cursor = "";
        do {
            JsonNode page = as(TENANT, "/v1/images?limit=1" + cursor).json();
            page.path("images").forEach(image -> names.add(image.path("name").asString()));
            cursor = page.has("nextCursor") ? "&cursor=" + page.path("nextCursor").asString() : "";
        } while (!cursor.isEmpty());
        assertThat(names)
                .containsExactly(
                        "mine/a.qcow2",
                        "mine/over-nothing.qcow2",
                        "mine/over-shared.qcow2",
                        "mine/over-theirs.qcow2",
                        "shared/base.qcow2");
        assertThat(as(TENANT, "/v1/images?prefix=theirs").json().path("images").size()).isZero();
        // Nor does the cursor of another show it.
        String foreign = as(ALL, "/v1/images?limit=5").json().path("nextCursor").asString();
        assertThat(as(TENANT, "/v1/images?cursor=" + foreign).json().path("images").toString())
                .doesNotContain("theirs/");
    }

    @Test
    void aBackingFileOutsideThePrefixesIsAsGoodAsAbsent() {
        String extents = "/v1/images/mine~2FNAME.qcow2/extents?chain=true";
        as(ALL, extents.replace("NAME", "over-theirs")).json();
        as(TENANT, extents.replace("NAME", "over-shared")).json();
        JsonNode foreign =
                as(TENANT, extents.replace("NAME", "over-theirs"))
                        .problem(422, "backing-unavailable");
        JsonNode absent =
                as(TENANT, extents.replace("NAME", "over-nothing"))
                        .problem(422, "backing-unavailable");
        assertThat(foreign.toString())
                .isEqualTo(
                        absent.toString()
                                .replace("over-nothing", "over-theirs")
                                .replace("gone.qcow2", "base.qcow2"));
    }

    /// A transaction of the operator over images inside and outside is cut short, and cannot be finished.
    @Test
    void anUnfinishedTransactionNamesNoForeignImage() throws IOException {
        Path journal = root.resolve(".dirtymap/transactions/x.journal");
        Files.createDirectories(journal.getParent());
        Files.writeString(
                journal, "image theirs~2Fa.qcow2 damaged\nimage mine~2Fa.qcow2 damaged\n");
        try {
            String path = "/v1/images/mine~2Fa.qcow2";
            assertThat(
                            as(ALL, path)
                                    .problem(409, "transaction-unfinished")
                                    .path("journal")
                                    .asString())
                    .isEqualTo(".dirtymap/transactions/x.journal");
            JsonNode told = as(TENANT, path).problem(409, "transaction-unfinished");
            assertThat(told.toString()).contains("mine/a.qcow2").doesNotContain("theirs");
        } finally {
            Files.delete(journal);
        }
    }

    @Test
    void everyAnswerTellsBrowsersWhatNotToDo() {
        for (Answer answer :
                List.of(
                        as(ALL, "/v1/images/mine~2Fa.qcow2"),
                        as(ALL, "/v1/images/missing"),
                        client.get("/v1/images"),
                        client.get("/swagger-ui/index.html"),
                        client.get("/problems/not-found"))) {
            assertThat(answer.header("X-Content-Type-Options")).isEqualTo("nosniff");
            assertThat(answer.header("Content-Security-Policy"))
                    .isEqualTo("frame-ancestors 'none'");
            assertThat(answer.header("Set-Cookie")).isEmpty();
            if (answer.path().startsWith("/v1/")) {
                assertThat(answer.header("Cache-Control")).isEqualTo("private, no-cache");
            }
        }
        Answer image = as(ALL, "/v1/images/mine~2Fa.qcow2");
        List<String> again = new ArrayList<>(List.of(ALL.header()));
        again.addAll(List.of("If-None-Match", image.etag()));
        assertThat(client.get("/v1/images/mine~2Fa.qcow2", again.toArray(new String[0])).status())
                .isEqualTo(304);
    }

    @Test
    void noOtherOriginIsLetIn() {
        List<String> headers = new ArrayList<>(List.of(ALL.header()));
        headers.addAll(List.of("Origin", "https://example.org"));
        Answer answer = client.get("/v1/images", headers.toArray(new String[0]));
        answer.json();
        assertThat(answer.response().headers().map().keySet())
                .noneMatch(name -> name.toLowerCase(Locale.ROOT).startsWith("access-control"));
        Answer preflight =
                client.send(
                        "OPTIONS",
                        "/v1/images",
                        "",
                        "Origin",
                        "https://example.org",
                        "Access-Control-Request-Method",
                        "POST");
        preflight.problem(401, "unauthenticated");
        assertThat(preflight.header("Access-Control-Allow-Origin")).isEmpty();
        headers.addAll(List.of("Sec-Fetch-Site", "cross-site"));
        client.send(
                        "POST",
                        "/v1/images/mine~2Fa.qcow2/bitmaps/daily/clear",
                        "",
                        headers.toArray(new String[0]))
                .problem(403, "insufficient-scope");
    }

    @Test
    void theContractOffersTheScheme() {
        JsonNode scheme = client.json("/v3/api-docs").at("/components/securitySchemes/bearer");
        assertThat(scheme.path("type").asString()).isEqualTo("http");
        assertThat(scheme.path("scheme").asString()).isEqualTo("bearer");
    }

    @Test
    void theFileIsReadAgainWhenItChanges() throws IOException {
        IssuedToken added = IssuedToken.of("added", "--scope", "bitmaps:read");
        as(added, "/v1/images").problem(401, "unauthenticated");
        replace(added.line());
        as(added, "/v1/images").json();
        as(ALL, "/v1/images").problem(401, "unauthenticated");

        // A broken edit changes nothing.
        replace(ALL.line() + "\n{\"name\":\"broken\"");
        as(added, "/v1/images").json();
        as(ALL, "/v1/images").problem(401, "unauthenticated");
        assertThat(client.get("/actuator/health").status()).isEqualTo(503);
        assertThat(client.get("/actuator/health/readiness").status()).isEqualTo(200);
        JsonNode health = JsonMapper.shared().readTree(as(added, "/actuator/health").body());
        assertThat(health.at("/components/tokens/details/reason").asString())
                .startsWith(file + " is no list of tokens: line 2: ");
        assertThat(server.log()).contains("the tokens stay as they were: " + file);

        // Nor does a file that is gone.
        Files.delete(file);
        as(added, "/v1/images").json();
        replace(String.join("\n", lines));
        as(ALL, "/v1/images").json();
        as(added, "/v1/images").problem(401, "unauthenticated");
        client.json("/actuator/health");
    }

    private static void replace(String text) throws IOException {
        Path other = Files.writeString(folder.resolve("next"), text + "\n", UTF_8);
        Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void eachChangeAndEachRefusalIsOneLineOfTheAuditLog() {
        String bitmaps = "/v1/images/mine~2Fa.qcow2/bitmaps";
        String before = as(ALL, "/v1/images/mine~2Fa.qcow2").etag();
        Answer made = change("POST", bitmaps, "{\"name\":\"audited\"}", ALL, "r-1");
        made.json(201);
        String after = as(ALL, "/v1/images/mine~2Fa.qcow2").etag();
        assertThat(audit("r-1"))
                .containsExactly(
                        ("operation=createBitmap outcome=201 who=operator from=127.0.0.1 method=POST path=%s"
                                        + " request=r-1 image=mine~2Fa.qcow2 bitmap=audited before=%s after=%s")
                                .formatted(bitmaps, quoted(before), quoted(after)));

        change("POST", bitmaps, "{\"name\":\"audited\"}", ALL, "r-2");
        assertThat(audit("r-2"))
                .containsExactly(
                        ("operation=createBitmap outcome=bitmap-exists who=operator from=127.0.0.1 method=POST"
                                        + " path=%s request=r-2 image=mine~2Fa.qcow2 bitmap=audited before=%s")
                                .formatted(bitmaps, quoted(after)));

        change("DELETE", bitmaps + "/audited", "", WRITER, "r-3")
                .problem(403, "insufficient-scope");
        assertThat(audit("r-3"))
                .containsExactly(
                        "operation=deleteBitmap outcome=insufficient-scope who=writer from=127.0.0.1"
                                + " method=DELETE path="
                                + bitmaps
                                + "/audited request=r-3 image=mine~2Fa.qcow2 bitmap=audited");

        client.get("/v1/images", "X-Request-Id", "r-4").problem(401, "unauthenticated");
        assertThat(audit("r-4"))
                .containsExactly(
                        "outcome=unauthenticated from=127.0.0.1 method=GET path=/v1/images request=r-4");

        change(
                        "POST",
                        "/v1/transactions",
                        """
                        {"images":[
                        {"image":"mine/a.qcow2","operations":[{"op":"DELETE","bitmap":"audited"}]},
                        {"image":"theirs/a.qcow2","operations":[{"op":"CREATE","bitmap":"x y"}]}]}
                        """,
                        ALL,
                        "r-5")
                .json();
        assertThat(audit("r-5"))
                .hasSize(2)
                .anyMatch(line ->
                        line.contains(
                                "image=mine~2Fa.qcow2 bitmap=DELETE:audited before="
                                        + quoted(after)))
                .anyMatch(line ->
                        line.contains("image=theirs~2Fa.qcow2 bitmap=CREATE:x~20y before="));

        as(ALL, bitmaps);
        change("POST", "/v1/images/mine~2Fa.qcow2/check", "{\"repair\":\"LEAKS\"}", ALL, "r-6")
                .json();
        assertThat(audit("r-6"))
                .singleElement()
                .asString()
                .startsWith("operation=checkImage outcome=200 who=operator")
                .contains(" before=", " after=");
        change("DELETE", bitmaps + "/%0Aoperation=x", "", ALL, "r-7")
                .problem(400, "invalid-request");
        assertThat(audit("r-7"))
                .singleElement()
                .asString()
                .startsWith("operation=deleteBitmap outcome=invalid-request")
                .endsWith("bitmap=\"\\noperation=x\"");
    }

    private static String quoted(String etag) {
        return etag.replace("\"", "");
    }

    private static Answer change(
            String method, String path, String body, IssuedToken token, String request) {
        List<String> headers = new ArrayList<>(List.of(token.header()));
        headers.addAll(List.of("X-Request-Id", request));
        return client.send(method, path, body, headers.toArray(new String[0]));
    }

    /// The lines of one request, without what every line of the log begins with.
    private static List<String> audit(String request) {
        return server.log()
                .lines()
                .filter(line ->
                        line.contains("dirtymap.audit") && line.contains("request=" + request))
                .map(line -> line.replaceFirst("^.*dirtymap\\.audit\\s*: ", ""))
                .toList();
    }
}
