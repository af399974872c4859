package dev.dirtymap.access;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.slf4j.spi.LoggingEventBuilder;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.security.core.context.SecurityContext;
import org.springframework.security.web.context.RequestAttributeSecurityContextRepository;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;
import org.springframework.web.servlet.HandlerMapping;
import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.databind.json.JsonMapper;

/// Logs each change, made or refused, and each 401 and 403: one line for each image that it is about, as `name=value`
/// and as fields for logs in JSON.
@Component
@Order(Ordered.HIGHEST_PRECEDENCE + 10)
class AuditFilter extends OncePerRequestFilter {

    private static final Logger AUDIT = LoggerFactory.getLogger("dirtymap.audit");

    /// What needs no quotes in a line. Whoever sends a name must not be able to write a line of his own.
    private static final Pattern PLAIN = Pattern.compile("[!#-<>-\\[\\]-~]+");

    private static final JsonMapper QUOTED =
            JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

    private final boolean everybody;

    AuditFilter(AccessProperties properties) {
        this.everybody = properties.kind() == AccessProperties.Mode.NONE;
    }

    @Override
    protected void doFilterInternal(
            HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        boolean answered = false;
        try {
            chain.doFilter(request, response);
            answered = true;
        } finally {
            int status =
                    answered ? response.getStatus() : HttpServletResponse.SC_INTERNAL_SERVER_ERROR;
            Object handler = request.getAttribute(HandlerMapping.BEST_MATCHING_HANDLER_ATTRIBUTE);
            String operation = handler == null ? "" : ScopeGate.operation(handler);
            if (status == HttpServletResponse.SC_UNAUTHORIZED
                    || status == HttpServletResponse.SC_FORBIDDEN
                    || (!operation.isEmpty() && changes(operation))) {
                log(request, operation, status);
            }
        }
    }

    private static boolean changes(String operation) {
        return OperationScopes.either(operation).stream()
                .anyMatch(scopes -> !scopes.isEmpty() && !scopes.equals(Set.of(Scope.READ)));
    }

    private void log(HttpServletRequest request, String operation, int status) {
        AuditTrail trail = AuditTrail.of(request);
        Fields common =
                new Fields()
                        .add("operation", operation)
                        .add("outcome", outcome(trail, status))
                        .add("who", who(request))
                        .add("from", request.getRemoteAddr())
                        .add("method", request.getMethod())
                        .add("path", request.getRequestURI())
                        .add("request", MDC.get("requestId"));
        if (trail.entries().isEmpty()) {
            common.add("image", inPath(request, "image"))
                    .add("bitmap", inPath(request, "bitmap"))
                    .log();
        }
        trail.entries()
                .forEach((image, entry) ->
                        new Fields(common)
                                .add("image", image.toString())
                                .add(
                                        "bitmap",
                                        entry.bitmaps == null
                                                ? inPath(request, "bitmap")
                                                : entry.bitmaps)
                                .add("before", entry.before)
                                .add("after", entry.after)
                                .log());
    }

    private static String outcome(AuditTrail trail, int status) {
        String problem = trail.problem();
        return problem == null
                ? Integer.toString(status)
                : problem.substring(problem.lastIndexOf('/') + 1);
    }

    private @Nullable String who(HttpServletRequest request) {
        if (everybody) {
            return Caller.ANYONE.name();
        }
        return request.getAttribute(
                                        RequestAttributeSecurityContextRepository
                                                .DEFAULT_REQUEST_ATTR_NAME)
                                instanceof SecurityContext context
                        && context.getAuthentication() instanceof Authenticated known
                ? known.caller().name()
                : null;
    }

    private static @Nullable String inPath(HttpServletRequest request, String variable) {
        return request.getAttribute(HandlerMapping.URI_TEMPLATE_VARIABLES_ATTRIBUTE)
                                instanceof Map<?, ?> variables
                        && variables.get(variable) instanceof String text
                ? text
                : null;
    }

    /// What is logged, in order.
    private static final class Fields {

        private final Map<String, String> fields = new LinkedHashMap<>();

        Fields() {}

        Fields(Fields others) {
            fields.putAll(others.fields);
        }

        /// @param value absent if null or empty
        Fields add(String name, @Nullable String value) {
            if (value != null && !value.isEmpty()) {
                fields.put(name, value);
            }
            return this;
        }

        void log() {
            LoggingEventBuilder event = AUDIT.atInfo();
            for (Map.Entry<String, String> field : fields.entrySet()) {
                event = event.addKeyValue(field.getKey(), field.getValue());
            }
            event.log(
                    fields.entrySet().stream()
                            .map(field -> field.getKey() + '=' + shown(field.getValue()))
                            .collect(Collectors.joining(" ")));
        }

        private static String shown(String value) {
            return PLAIN.matcher(value).matches() ? value : QUOTED.writeValueAsString(value);
        }
    }
}
