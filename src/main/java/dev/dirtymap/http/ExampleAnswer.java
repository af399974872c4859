package dev.dirtymap.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.swagger.v3.core.util.Json31;
import io.swagger.v3.oas.models.Operation;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.Resource;
import org.springframework.core.io.support.PathMatchingResourcePatternResolver;

/// One answer of one operation, from `openapi-examples/<operationId>/<status>-<name>.json`. A test sends the
/// request of each such file and demands the answer that it shows.
///
/// @param requestBody null for a request without a JSON body
/// @param body null for an answer that is not JSON or has no body
record ExampleAnswer(
        String operationId,
        int status,
        String name,
        String summary,
        @Nullable JsonNode requestBody,
        @Nullable JsonNode body) {

    private static final Pattern PATH =
            Pattern.compile(".*/openapi-examples/([A-Za-z]+)/([0-9]{3})-([a-z0-9-]+)\\.json");

    /// All of them, ordered by operation, status and name.
    static List<ExampleAnswer> all() {
        // Swagger's own mapper, since it also writes them out again: other trees it would take for
        // beans.
        ObjectMapper mapper = Json31.mapper();
        List<ExampleAnswer> answers = new ArrayList<>();
        try {
            for (Resource file :
                    new PathMatchingResourcePatternResolver()
                            .getResources("classpath:openapi-examples/*/*.json")) {
                answers.add(read(file, mapper));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        answers.sort(
                Comparator.comparing(ExampleAnswer::operationId)
                        .thenComparingInt(ExampleAnswer::status)
                        .thenComparing(ExampleAnswer::name));
        return answers;
    }

    private static ExampleAnswer read(Resource file, ObjectMapper mapper) throws IOException {
        Matcher path = PATH.matcher(file.getURL().getPath());
        if (!path.matches()) {
            throw new IllegalStateException(
                    "an example must be called openapi-examples/<operationId>/<status>-<name>.json but was "
                            + file);
        }
        try (InputStream in = file.getInputStream()) {
            JsonNode content = mapper.readTree(in);
            return new ExampleAnswer(
                    path.group(1),
                    Integer.parseInt(path.group(2)),
                    path.group(3),
                    content.required("summary").asText(),
                    content.path("request").get("body"),
                    content.get("body"));
        }
    }

    /// A problem as any operation may answer it.
    static ExampleAnswer of(ProblemType type, Operation operation, String instance) {
        Problem problem = Problem.of(type, type.explanation(), instance);
        return new ExampleAnswer(
                operation.getOperationId(),
                problem.status(),
                type.slug(),
                type.title(),
                null,
                Json31.mapper()
                        .createObjectNode()
                        .put("type", problem.type())
                        .put("title", problem.title())
                        .put("status", problem.status())
                        .put("detail", problem.detail())
                        .put("instance", problem.instance())
                        .put("remedy", problem.remedy()));
    }

    boolean isProblem() {
        return status >= 400;
    }

    /// The problem that it shows, if it shows one.
    Optional<ProblemType> problemType() {
        if (body == null || !isProblem()) {
            return Optional.empty();
        }
        String type = body.path("type").asText();
        return ProblemType.ofSlug(type.substring(type.lastIndexOf('/') + 1));
    }
}
