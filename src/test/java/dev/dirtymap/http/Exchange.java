package dev.dirtymap.http;

import dev.dirtymap.http.Contract.PathTemplate;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/// One exchange of a test, to be held to `openapi/openapi.yaml`: its path, status, headers, content type and
/// body.
///
/// Bodies that are not JSON are not read here, so that a test may take them piece by piece.
///
/// @param path as it was sent, without a query
/// @param headers gives a header's first value; null if there is none
/// @param length of the body in bytes
/// @param body the body as text
record Exchange(
        String method,
        String path,
        int status,
        Function<String, @Nullable String> headers,
        long length,
        Supplier<String> body) {

    private static final String PROBLEM_JSON = "application/problem+json";
    private static final String PROBLEM_SCHEMA = "/components/schemas/Problem";

    /// Where other people's contracts begin.
    private static final List<String> OUTSIDE = List.of("/actuator", "/v3/api-docs", "/swagger-ui");

    /// What the server answers before it knows the operation.
    private static final Set<Integer> BEFORE_ROUTING = Set.of(400, 405, 414, 431, 501);

    /// What it answers where there is no operation.
    private static final Set<Integer> NOWHERE = Set.of(400, 401, 403, 404, 405, 406, 414, 431, 501);

    /// Pages of many thousands of extents, all alike, are not looked through one by one, in bytes.
    private static final long MAX_CHECKED = 256 << 10;

    /// Fails if the exchange does not fit the contract.
    void requireContract() {
        if (OUTSIDE.stream().anyMatch(path::startsWith)) {
            return;
        }
        try {
            check();
        } catch (AssertionError e) {
            throw new AssertionError(
                    "%s %s answered %d, and openapi.yaml says otherwise: %s%n%s"
                            .formatted(
                                    method,
                                    path,
                                    status,
                                    e.getMessage(),
                                    isJson() ? body.get() : ""),
                    e);
        }
    }

    private @Nullable String header(String name) {
        return headers.apply(name);
    }

    private void check() {
        require(header("X-Request-Id") != null, "there is no X-Request-Id");
        if (method.equals("OPTIONS") && status < 400) {
            require(header("Allow") != null, "there is no Allow");
            return;
        }
        Contract contract = Contract.committed();
        Optional<PathTemplate> template = contract.path(path);
        Optional<JsonNode> operation = template.flatMap(found -> found.operation(method));
        if (operation.isEmpty()) {
            require(
                    NOWHERE.contains(status),
                    template.isEmpty() ? "the path is not in it" : "the method is not in it");
            checkProblem();
            return;
        }
        JsonNode documented = operation.get().path("responses").path(Integer.toString(status));
        if (documented.isMissingNode() && BEFORE_ROUTING.contains(status)) {
            checkProblem();
            return;
        }
        require(!documented.isMissingNode(), "the status is not documented");
        checkHeaders(contract, documented);
        if (!method.equals("HEAD")) {
            checkContent(contract, documented.path("content"), template.orElseThrow());
        }
    }

    private void checkHeaders(Contract contract, JsonNode documented) {
        documented
                .path("headers")
                .propertyStream()
                .filter(header ->
                        contract.resolve(header.getValue()).path("required").asBoolean(false))
                .forEach(header ->
                        require(header(header.getKey()) != null, "there is no " + header.getKey()));
    }

    private void checkContent(Contract contract, JsonNode content, PathTemplate template) {
        String type = mediaType();
        if (content.isMissingNode()) {
            require(type.isEmpty(), "there must be no body, but there is one of type " + type);
            return;
        }
        JsonNode media = content.path(type);
        require(!media.isMissingNode(), "the content type %s is not documented".formatted(type));
        if (type.equals(PROBLEM_JSON)) {
            checkProblem();
        } else if (isJson() && length <= MAX_CHECKED) {
            String ref = media.path("schema").path("$ref").asString("#");
            require(
                    ref.length() > 1,
                    "the schema of %s must be a component".formatted(template.text()));
            require(contract.violations(json(), ref.substring(1)));
        }
    }

    private void checkProblem() {
        require(
                mediaType().equals(PROBLEM_JSON),
                "an error must be %s but is '%s'".formatted(PROBLEM_JSON, header("Content-Type")));
        if (method.equals("HEAD")) {
            return;
        }
        JsonNode problem = json();
        require(Contract.committed().violations(problem, PROBLEM_SCHEMA));
        String type = problem.path("type").asString();
        require(
                type.startsWith("/problems/")
                        && ProblemType.ofSlug(type.substring("/problems/".length())).isPresent(),
                "there is no problem type " + type);
        require(
                problem.path("status").asInt() == status,
                "the problem's status is " + problem.path("status"));
    }

    private JsonNode json() {
        try {
            return Contract.json(body.get());
        } catch (JacksonException e) {
            throw new AssertionError("the body is not JSON: " + e.getMessage(), e);
        }
    }

    private boolean isJson() {
        return mediaType().endsWith("json") && !mediaType().endsWith("ndjson");
    }

    private String mediaType() {
        String type = header("Content-Type");
        return type == null ? "" : type.replaceFirst(";.*", "").strip();
    }

    private static void require(List<String> violations) {
        require(violations.isEmpty(), String.join("; ", violations));
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }
}
