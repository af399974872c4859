package dev.dirtymap.http;

import io.swagger.v3.oas.models.OpenAPI;
import io.swagger.v3.oas.models.Operation;
import io.swagger.v3.oas.models.PathItem;
import io.swagger.v3.oas.models.media.Schema;
import io.swagger.v3.oas.models.parameters.Parameter;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springdoc.core.customizers.OpenApiCustomizer;

/// Takes the type `null` out of all schemas. springdoc gives it to whatever is `@Nullable` in Java, where
/// null means absent; nothing on the wire is ever null.
final class NullFreeSchemas implements OpenApiCustomizer {

    private static final String NULL = "null";

    @Override
    public void customise(OpenAPI api) {
        api.getComponents().getSchemas().values().forEach(NullFreeSchemas::clean);
        for (PathItem path : api.getPaths().values()) {
            path.readOperations().forEach(NullFreeSchemas::clean);
        }
    }

    private static void clean(Operation operation) {
        for (Parameter parameter : orNone(operation.getParameters())) {
            clean(parameter.getSchema());
        }
        if (operation.getRequestBody() != null) {
            operation.getRequestBody().getContent().values().stream()
                    .forEach(media -> clean(media.getSchema()));
        }
        operation.getResponses().values().stream()
                .filter(response -> response.getContent() != null)
                .flatMap(response -> response.getContent().values().stream())
                .forEach(media -> clean(media.getSchema()));
    }

    private static void clean(@Nullable Schema<?> schema) {
        if (schema == null) {
            return;
        }
        Set<String> types = schema.getTypes();
        if (types != null && types.contains(NULL)) {
            Set<String> others = new HashSet<>(types);
            others.remove(NULL);
            schema.setTypes(others);
        }
        schema.setNullable(null);
        clean(schema.getItems());
        if (schema.getProperties() != null) {
            schema.getProperties().values().forEach(NullFreeSchemas::clean);
        }
        orNone(schema.getAllOf()).forEach(NullFreeSchemas::clean);
        orNone(schema.getAnyOf()).forEach(NullFreeSchemas::clean);
        orNone(schema.getOneOf()).forEach(NullFreeSchemas::clean);
    }

    private static <T> Collection<T> orNone(@Nullable List<T> list) {
        return list == null ? List.of() : list;
    }
}
