package dev.dirtymap.http;

import com.networknt.schema.Error;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/// `openapi/openapi.yaml`, to be asked about paths, answers and schemas.
///
/// It is read more strictly than it is published: a member that no schema names is an error here, though
/// clients must bear with new ones.
final class Contract {

    static final Path FILE = Path.of("openapi", "openapi.yaml");

    /// How to bring the file up to date.
    static final String REGENERATE =
            "mvn -B -ntp test -Dtest=ContractTest -Ddirtymap.openapi.write=true";

    private static final String BASE = "urn:dirtymap:contract";

    private static final class Committed {
        static final Contract IT = new Contract(read());
    }

    private final JsonNode document;
    private final List<PathTemplate> paths;
    private final SchemaRegistry schemas;

    private Contract(JsonNode document) {
        this.document = document;
        this.paths =
                document.path("paths")
                        .propertyStream()
                        .map(path -> new PathTemplate(path.getKey(), path.getValue()))
                        // Literal segments win over parameters.
                        .sorted(Comparator.comparing(template -> template.text().replace('{', '~')))
                        .toList();
        String text = closed(document).toString();
        this.schemas =
                SchemaRegistry.withDefaultDialect(
                        SpecificationVersion.DRAFT_2020_12,
                        builder -> builder.schemas(Map.of(BASE, text)));
    }

    /// The committed contract.
    static Contract committed() {
        return Committed.IT;
    }

    private static JsonNode read() {
        try {
            return YAMLMapper.shared().readTree(Files.readString(FILE));
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "%s cannot be read; make it with: %s".formatted(FILE, REGENERATE), e);
        }
    }

    /// A copy in which no object has members beyond those that are named.
    private static JsonNode closed(JsonNode document) {
        JsonNode copy = document.deepCopy();
        for (JsonNode schema : copy.path("components").path("schemas")) {
            if (schema instanceof ObjectNode object && schema.has("properties")) {
                object.put("additionalProperties", false);
            }
        }
        return copy;
    }

    /// A path with its operations.
    ///
    /// @param text with parameters in braces
    record PathTemplate(String text, JsonNode item) {

        boolean matches(String path) {
            String pattern =
                    Pattern.compile("\\{[^}]+}")
                            .splitAsStream(text + "\0")
                            .map(Pattern::quote)
                            .collect(Collectors.joining("[^/]+"));
            return (path + "\0").matches(pattern);
        }

        /// The operation of a method; HEAD is a GET without its body.
        Optional<JsonNode> operation(String method) {
            String name = method.equals("HEAD") ? "get" : method.toLowerCase(Locale.ROOT);
            return Optional.ofNullable(item.get(name));
        }
    }

    JsonNode document() {
        return document;
    }

    Optional<PathTemplate> path(String path) {
        return paths.stream().filter(template -> template.matches(path)).findFirst();
    }

    /// All operations by their ids.
    Map<String, JsonNode> operations() {
        return paths.stream()
                .flatMap(template -> template.item().valueStream())
                .collect(
                        Collectors.toMap(
                                operation -> operation.path("operationId").asString(),
                                operation -> operation));
    }

    /// Follows a `$ref` into the components, if there is one.
    JsonNode resolve(JsonNode node) {
        String ref = node.path("$ref").asString("");
        return ref.isEmpty() ? node : document.at(ref.substring(1));
    }

    /// What is wrong with a JSON value; empty if nothing.
    ///
    /// @param pointer where its schema is in the contract, as in `/components/schemas/Problem`
    List<String> violations(JsonNode value, String pointer) {
        List<String> violations = new ArrayList<>();
        addNulls(value, "", violations);
        for (Error error :
                schemas.getSchema(SchemaLocation.of(BASE + "#" + pointer)).validate(value)) {
            violations.add(error.getInstanceLocation() + ": " + error.getMessage());
        }
        return violations;
    }

    private static void addNulls(JsonNode value, String at, List<String> violations) {
        if (value.isNull()) {
            violations.add((at.isEmpty() ? "/" : at) + ": is null, where absent is meant");
        }
        value.propertyStream()
                .forEach(member ->
                        addNulls(member.getValue(), at + "/" + member.getKey(), violations));
        if (value.isArray()) {
            for (int i = 0; i < value.size(); i++) {
                addNulls(value.get(i), at + "/" + i, violations);
            }
        }
    }

    /// Reads JSON.
    static JsonNode json(String text) {
        return JsonMapper.shared().readTree(text);
    }
}
