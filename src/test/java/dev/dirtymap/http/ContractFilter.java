package dev.dirtymap.http;

import dev.dirtymap.http.Contract.PathTemplate;
import io.restassured.filter.Filter;
import io.restassured.filter.FilterContext;
import io.restassured.http.Header;
import io.restassured.response.Response;
import io.restassured.specification.FilterableRequestSpecification;
import io.restassured.specification.FilterableResponseSpecification;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/// Holds an exchange to `openapi/openapi.yaml`: its path, status, headers, content type and body. Hooked
/// into [Server#request()], so that every test is a test of the contract too.
///
/// Bodies that are not JSON are not read here, so that a test may take them piece by piece.
final class ContractFilter implements Filter {

    private static final String PROBLEM_JSON = "application/problem+json";
    private static final String PROBLEM_SCHEMA = "/components/schemas/Problem";

    /// Where other people's contracts begin.
    private static final List<String> OUTSIDE = List.of("/actuator", "/v3/api-docs", "/swagger-ui");

    /// What the server answers before it knows the operation.
    private static final Set<Integer> BEFORE_ROUTING = Set.of(400, 405, 414, 431, 501);

    /// What it answers where there is no operation.
    private static final Set<Integer> NOWHERE = Set.of(400, 404, 405, 406, 414, 431, 501);

    @Override
    public Response filter(
            FilterableRequestSpecification request,
            FilterableResponseSpecification expected,
            FilterContext context) {
        Response response = context.next(request, expected);
        String path = URI.create(request.getURI()).getRawPath();
        if (OUTSIDE.stream().noneMatch(path::startsWith)) {
            try {
                check(request.getMethod().toUpperCase(Locale.ROOT), path, response);
            } catch (AssertionError e) {
                throw new AssertionError(
                        "%s %s answered %d, and openapi.yaml says otherwise: %s%n%s"
                                .formatted(
                                        request.getMethod(),
                                        request.getURI(),
                                        response.statusCode(),
                                        e.getMessage(),
                                        isJson(response) ? response.asString() : ""),
                        e);
            }
        }
        return response;
    }

    private static void check(String method, String path, Response response) {
        require(response.getHeader("X-Request-Id") != null, "there is no X-Request-Id");
        if (method.equals("OPTIONS") && response.statusCode() < 400) {
            require(response.getHeader("Allow") != null, "there is no Allow");
            return;
        }
        Contract contract = Contract.committed();
        Optional<PathTemplate> template = contract.path(path);
        Optional<JsonNode> operation = template.flatMap(found -> found.operation(method));
        if (operation.isEmpty()) {
            require(
                    NOWHERE.contains(response.statusCode()),
                    template.isEmpty() ? "the path is not in it" : "the method is not in it");
            checkProblem(response);
            return;
        }
        JsonNode documented =
                operation.get().path("responses").path(Integer.toString(response.statusCode()));
        if (documented.isMissingNode() && BEFORE_ROUTING.contains(response.statusCode())) {
            checkProblem(response);
            return;
        }
        require(!documented.isMissingNode(), "the status is not documented");
        checkHeaders(contract, documented, response);
        if (!method.equals("HEAD")) {
            checkContent(contract, documented.path("content"), template.orElseThrow(), response);
        }
    }

    private static void checkHeaders(Contract contract, JsonNode documented, Response response) {
        documented
                .path("headers")
                .propertyStream()
                .filter(header ->
                        contract.resolve(header.getValue()).path("required").asBoolean(false))
                .forEach(header ->
                        require(
                                response.getHeader(header.getKey()) != null,
                                "there is no " + header.getKey()));
    }

    private static void checkContent(
            Contract contract, JsonNode content, PathTemplate template, Response response) {
        String type = mediaType(response);
        if (content.isMissingNode()) {
            require(type.isEmpty(), "there must be no body, but there is one of type " + type);
            return;
        }
        JsonNode media = content.path(type);
        require(!media.isMissingNode(), "the content type %s is not documented".formatted(type));
        if (type.equals(PROBLEM_JSON)) {
            checkProblem(response);
        } else if (isJson(response)) {
            String ref = media.path("schema").path("$ref").asString("#");
            require(
                    ref.length() > 1,
                    "the schema of %s must be a component".formatted(template.text()));
            require(contract.violations(body(response), ref.substring(1)));
        }
    }

    private static void checkProblem(Response response) {
        require(
                mediaType(response).equals(PROBLEM_JSON),
                "an error must be %s but is '%s'".formatted(PROBLEM_JSON, response.contentType()));
        JsonNode problem = body(response);
        require(Contract.committed().violations(problem, PROBLEM_SCHEMA));
        String type = problem.path("type").asString();
        require(
                type.startsWith("/problems/")
                        && ProblemType.ofSlug(type.substring("/problems/".length())).isPresent(),
                "there is no problem type " + type);
        require(
                problem.path("status").asInt() == response.statusCode(),
                "the problem's status is " + problem.path("status"));
    }

    private static JsonNode body(Response response) {
        try {
            return Contract.json(response.asString());
        } catch (JacksonException e) {
            throw new AssertionError("the body is not JSON: " + e.getMessage(), e);
        }
    }

    private static boolean isJson(Response response) {
        return mediaType(response).endsWith("json") && !mediaType(response).endsWith("ndjson");
    }

    private static String mediaType(Response response) {
        Header header = response.getHeaders().get("Content-Type");
        return header == null || header.getValue() == null
                ? ""
                : header.getValue().replaceFirst(";.*", "").strip();
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
