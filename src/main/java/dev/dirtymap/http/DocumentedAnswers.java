package dev.dirtymap.http;

import dev.dirtymap.http.ProblemException.ParameterError;
import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.qcow2.BitmapState;
import io.swagger.v3.core.converter.ModelConverters;
import io.swagger.v3.oas.models.Components;
import io.swagger.v3.oas.models.OpenAPI;
import io.swagger.v3.oas.models.Operation;
import io.swagger.v3.oas.models.PathItem;
import io.swagger.v3.oas.models.examples.Example;
import io.swagger.v3.oas.models.headers.Header;
import io.swagger.v3.oas.models.media.Content;
import io.swagger.v3.oas.models.media.JsonSchema;
import io.swagger.v3.oas.models.media.MediaType;
import io.swagger.v3.oas.models.media.Schema;
import io.swagger.v3.oas.models.parameters.Parameter;
import io.swagger.v3.oas.models.parameters.RequestBody;
import io.swagger.v3.oas.models.responses.ApiResponse;
import io.swagger.v3.oas.models.responses.ApiResponses;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.customizers.OpenApiCustomizer;
import org.springframework.http.HttpHeaders;

/// Documents what each operation can answer. An answer is documented because an example of it exists, so
/// that nothing is promised that no test has seen; only what takes a race or a failing disk is added by rule.
final class DocumentedAnswers implements OpenApiCustomizer {

    private static final String PROBLEM_JSON =
            org.springframework.http.MediaType.APPLICATION_PROBLEM_JSON_VALUE;

    private static final String ETAG = "ETag";
    private static final String LOCATION = "Location";
    private static final String RETRY_AFTER = "Retry-After";
    private static final String CONTENT_RANGE = "Content-Range";

    /// Bodies that may be absent.
    private static final Set<String> ALL_OPTIONAL =
            Set.of("BitmapPatch", "CheckRequest", "ClearRequest");

    private static final String ID_PATTERN = "^([A-Za-z0-9._:-]|~[0-9A-F]{2})+$";

    /// The members that some problems have beyond those of every problem.
    ///
    /// @param errors of `invalid-request` and `cursor-invalid`
    @io.swagger.v3.oas.annotations.media.Schema(name = "ProblemMembers")
    private record ProblemMembers(
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "Each parameter or value of the body that is wrong, with what it must be.")
                    List<ParameterError> errors,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "Who holds the image: SERVICE, another request to this service or"
                                            + " another replica; OTHER_PROGRAM, QEMU or one of its tools.")
                    Holder holder,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description = "Why the bitmap's content cannot be had.")
                    BitmapState state,
            @io.swagger.v3.oas.annotations.media.Schema(description = "Size of the disk in bytes.")
                    Long virtualSize,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description = "How many bytes of bits there are.")
                    Long totalBytes,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "The guest byte that the refused page would have begun with.")
                    Long resumeOffset,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "Which operation of a transaction is refused, counted from 0.")
                    Integer index,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "Whose operation that is, where there are several images.")
                    String image,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "The backing or data file that is missing, as the image names it.")
                    String file,
            @io.swagger.v3.oas.annotations.media.Schema(
                            description =
                                    "The journal of the unfinished transaction, as a path below the root.")
                    String journal) {}

    @Override
    public void customise(OpenAPI api) {
        addHeaders(api.getComponents());
        addProblemSchema(api.getComponents());
        Map<String, List<ExampleAnswer>> examples =
                ExampleAnswer.all().stream()
                        .collect(Collectors.groupingBy(ExampleAnswer::operationId));
        for (Map.Entry<String, PathItem> path : api.getPaths().entrySet()) {
            for (Operation operation : path.getValue().readOperations()) {
                List<ExampleAnswer> shown =
                        examples.getOrDefault(operation.getOperationId(), List.of());
                document(
                        operation,
                        withUnforeseeable(shown, operation, path.getKey()),
                        api.getComponents());
            }
        }
    }

    private static void addHeaders(Components components) {
        components
                .addHeaders(
                        RequestIdFilter.HEADER,
                        header(
                                "Names this exchange in the service's log: the request's own X-Request-Id"
                                        + " if it is sane, else a new one.",
                                "string"))
                .addHeaders(
                        ETAG,
                        header(
                                "Changes whenever the answer could. Weak on lists, strong otherwise.",
                                "string"))
                .addHeaders(LOCATION, header("The path of what was made.", "string"))
                .addHeaders(
                        HttpHeaders.WWW_AUTHENTICATE,
                        header(
                                "That a bearer token is needed, and what is wrong with the one that came.",
                                "string"))
                .addHeaders(
                        RETRY_AFTER,
                        header("How many seconds to wait before trying again.", "integer"));
    }

    private static Header header(String description, String type) {
        return new Header().description(description).required(true).schema(schema(type));
    }

    private static Schema<?> schema(String type) {
        return new JsonSchema().typesItem(type);
    }

    private static void addProblemSchema(Components components) {
        Map<String, Schema<?>> schemas = new TreeMap<>();
        for (Class<?> type : List.of(Problem.class, ProblemMembers.class)) {
            ModelConverters.getInstance(true).readAll(type).forEach(schemas::put);
        }
        Schema<?> problem = schemas.get("Problem");
        Schema<?> members = schemas.remove("ProblemMembers");
        if (problem == null || members == null) {
            throw new IllegalStateException("problems have no schema");
        }
        members.getProperties().forEach(problem::addProperty);
        schemas.forEach(components::addSchemas);
    }

    private static void document(
            Operation operation, List<ExampleAnswer> examples, Components components) {
        ApiResponses responses = operation.getResponses();
        Map<Integer, Set<ProblemType>> problems = new TreeMap<>();
        for (ExampleAnswer example : examples) {
            example.problemType()
                    .ifPresent(type ->
                            problems.computeIfAbsent(
                                            example.status(),
                                            _ -> EnumSet.noneOf(ProblemType.class))
                                    .add(type));
        }
        problems.forEach((status, types) -> responses.addApiResponse(text(status), problem(types)));
        for (ExampleAnswer example : examples) {
            ApiResponse response =
                    responses.computeIfAbsent(
                            text(example.status()),
                            _ -> new ApiResponse().description(example.summary()));
            attach(example, response);
        }
        describeSuccess(responses.get("200"), components);
        describeSuccess(responses.get("201"), components);
        shareHeaders(responses);
        describeIds(operation);
        describeBody(operation, examples, components);
        boolean conditional = responses.containsKey("304");
        if (conditional) {
            operation.addParametersItem(
                    new Parameter()
                            .in("header")
                            .name("If-None-Match")
                            .description(
                                    "The ETag of an answer that the caller has; while it holds, this is 304.")
                            .required(false)
                            .schema(schema("string")));
        }
        boolean tagged = conditional || changesWithTag(operation);
        responses.forEach((status, response) -> addHeaders(status, response, tagged));
    }

    /// Adds what every operation may answer, and what no test can bring about at will. An operation that can
    /// find an image locked reads it in steps, and can find it changed between two of them.
    private static List<ExampleAnswer> withUnforeseeable(
            List<ExampleAnswer> shown, Operation operation, String path) {
        Set<ProblemType> types = EnumSet.noneOf(ProblemType.class);
        shown.forEach(example -> example.problemType().ifPresent(types::add));
        List<ExampleAnswer> all = new ArrayList<>(shown);
        String instance = filled(path, operation);
        boolean reads =
                parameters(operation).stream().anyMatch(p -> p.getName().equals("If-None-Match"))
                        || shown.stream().anyMatch(example -> example.status() == 304);
        if (reads
                && types.contains(ProblemType.IMAGE_LOCKED)
                && !types.contains(ProblemType.CONTENT_CHANGED)) {
            all.add(ExampleAnswer.of(ProblemType.CONTENT_CHANGED, operation, instance));
        }
        if (types.contains(ProblemType.IMAGE_NOT_FOUND)) {
            all.add(ExampleAnswer.of(ProblemType.TRANSACTION_UNFINISHED, operation, instance));
        }
        if (!instance.startsWith("/problems/")) {
            all.add(ExampleAnswer.of(ProblemType.UNAUTHENTICATED, operation, instance));
            all.add(ExampleAnswer.of(ProblemType.INSUFFICIENT_SCOPE, operation, instance));
            all.add(ExampleAnswer.of(ProblemType.OVERLOADED, operation, instance));
        }
        if (operation.getOperationId().equals("createImage")) {
            // Outside the prefixes of the token.
            all.add(ExampleAnswer.of(ProblemType.IMAGE_NOT_FOUND, operation, instance));
        }
        if (!reads && !instance.startsWith("/problems/")) {
            all.add(ExampleAnswer.of(ProblemType.INSUFFICIENT_STORAGE, operation, instance));
        }
        if (operation.getRequestBody() != null) {
            all.add(ExampleAnswer.of(ProblemType.REQUEST_TOO_LARGE, operation, instance));
        }
        all.add(ExampleAnswer.of(ProblemType.INTERNAL_ERROR, operation, instance));
        return all;
    }

    /// A path with the examples of its parameters in their places.
    private static String filled(String path, Operation operation) {
        String filled = path;
        for (Parameter parameter : parameters(operation)) {
            filled =
                    filled.replace(
                            '{' + parameter.getName() + '}',
                            String.valueOf(parameter.getExample()));
        }
        return filled;
    }

    private static ApiResponse problem(Set<ProblemType> types) {
        String description =
                types.stream()
                        .map(type ->
                                "- [%s](%s): %s"
                                        .formatted(type.slug(), type.path(), type.explanation()))
                        .collect(Collectors.joining("\n"));
        return new ApiResponse()
                .description(description)
                .content(
                        new Content()
                                .addMediaType(
                                        PROBLEM_JSON,
                                        new MediaType()
                                                .schema(
                                                        new JsonSchema()
                                                                .$ref(
                                                                        "#/components/schemas/Problem"))));
    }

    private static void attach(ExampleAnswer example, ApiResponse response) {
        Content content = response.getContent();
        if (example.body() == null || content == null) {
            return;
        }
        content.forEach((type, media) -> {
            // The examples' bodies are JSON.
            if (type.endsWith("/json") || type.endsWith("+json")) {
                media.addExamples(
                        example.name(),
                        new Example().summary(example.summary()).value(example.body()));
            }
        });
    }

    /// Replaces springdoc's "OK" by what the schema says of itself.
    private static void describeSuccess(@Nullable ApiResponse response, Components components) {
        if (response == null
                || response.getContent() == null
                || !Set.of("OK", "Created", "No Content").contains(response.getDescription())) {
            return;
        }
        for (MediaType media : response.getContent().values()) {
            String ref = media.getSchema().get$ref();
            Schema<?> schema =
                    ref == null
                            ? null
                            : components.getSchemas().get(ref.substring(ref.lastIndexOf('/') + 1));
            if (schema != null && schema.getDescription() != null) {
                response.setDescription(schema.getDescription());
            }
        }
    }

    /// A part carries the headers of the whole, and a refused part says how much there is.
    private static void shareHeaders(ApiResponses responses) {
        ApiResponse whole = responses.get("200");
        ApiResponse part = responses.get("206");
        ApiResponse beyond = responses.get("416");
        if (whole != null && part != null && whole.getHeaders() != null) {
            whole.getHeaders().forEach(part::addHeaderObject);
        }
        if (part != null && beyond != null) {
            beyond.addHeaderObject(CONTENT_RANGE, part.getHeaders().get(CONTENT_RANGE));
        }
    }

    private static void describeIds(Operation operation) {
        for (Parameter parameter : parameters(operation)) {
            if (parameter.getIn().equals("path") && !parameter.getName().equals("slug")) {
                parameter.getSchema().setPattern(ID_PATTERN);
            }
        }
    }

    private static List<Parameter> parameters(Operation operation) {
        return operation.getParameters() == null ? List.of() : operation.getParameters();
    }

    /// Whether an operation that changes something answers with the ETag of what it shows: one thing.
    private static boolean changesWithTag(Operation operation) {
        return operation.getOperationId().equals("createImage")
                || (!operation.getOperationId().equals("checkImage")
                        && parameters(operation).stream()
                                .anyMatch(parameter -> parameter.getName().equals("If-Match")));
    }

    /// Shows the bodies of the examples that succeed. A body may be left out where all its members may.
    private static void describeBody(
            Operation operation, List<ExampleAnswer> examples, Components components) {
        RequestBody body = operation.getRequestBody();
        if (body == null) {
            return;
        }
        for (MediaType media : body.getContent().values()) {
            for (ExampleAnswer example : examples) {
                if (!example.isProblem() && example.requestBody() != null) {
                    media.addExamples(
                            example.name(),
                            new Example().summary(example.summary()).value(example.requestBody()));
                }
            }
            String ref = media.getSchema().get$ref();
            if (ref != null) {
                String name = ref.substring(ref.lastIndexOf('/') + 1);
                body.setRequired(!ALL_OPTIONAL.contains(name));
                Schema<?> described = components.getSchemas().get(name);
                body.setDescription(described == null ? null : described.getDescription());
            }
        }
    }

    private static void addHeaders(String status, ApiResponse response, boolean tagged) {
        addHeader(response, RequestIdFilter.HEADER);
        if (tagged && !status.startsWith("4") && !status.startsWith("5") && !status.equals("204")) {
            addHeader(response, ETAG);
        }
        if (status.equals("201")) {
            addHeader(response, LOCATION);
        }
        if (status.equals(text(ProblemType.IMAGE_LOCKED.status().value()))
                || status.equals(text(ProblemType.OVERLOADED.status().value()))) {
            addHeader(response, RETRY_AFTER);
        }
        if (status.equals("401") || status.equals("403")) {
            addHeader(response, HttpHeaders.WWW_AUTHENTICATE);
        }
    }

    private static void addHeader(ApiResponse response, String name) {
        response.addHeaderObject(name, new Header().$ref("#/components/headers/" + name));
    }

    private static String text(int status) {
        return Integer.toString(status);
    }
}
