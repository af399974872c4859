package dev.dirtymap.access;

import io.swagger.v3.oas.models.OpenAPI;
import io.swagger.v3.oas.models.Operation;
import io.swagger.v3.oas.models.PathItem;
import io.swagger.v3.oas.models.security.SecurityRequirement;
import io.swagger.v3.oas.models.security.SecurityScheme;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.springdoc.core.customizers.OpenApiCustomizer;
import org.springframework.stereotype.Component;

/// Says in the contract which scopes each operation needs, and gives Swagger UI a place for the token.
@Component
class AccessContract implements OpenApiCustomizer {

    private static final String SCHEME = "bearer";

    @Override
    public void customise(OpenAPI api) {
        api.getComponents()
                .addSecuritySchemes(
                        SCHEME,
                        new SecurityScheme()
                                .type(SecurityScheme.Type.HTTP)
                                .scheme("bearer")
                                .description(
                                        "A token of the service's own or a JSON web token, as it is configured; none"
                                                + " where it serves its own machine only. Scopes: "
                                                + Arrays.stream(Scope.values())
                                                        .map(scope ->
                                                                "`%s`: %s"
                                                                        .formatted(
                                                                                scope.text(),
                                                                                scope.meaning()))
                                                        .collect(Collectors.joining(" "))
                                                + " A token may be limited to images whose names begin with certain"
                                                + " prefixes; all others are absent for it."));
        for (PathItem path : api.getPaths().values()) {
            path.readOperations().forEach(AccessContract::secure);
        }
    }

    private static void secure(Operation operation) {
        List<Set<Scope>> either = OperationScopes.either(operation.getOperationId());
        if (either.getFirst().isEmpty()) {
            operation.setSecurity(List.of());
            return;
        }
        for (Set<Scope> scopes : either) {
            operation.addSecurityItem(
                    new SecurityRequirement()
                            .addList(SCHEME, scopes.stream().map(Scope::text).sorted().toList()));
        }
    }
}
