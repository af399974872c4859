package dev.dirtymap.access;

import io.swagger.v3.oas.annotations.Operation;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.List;
import java.util.Set;
import org.springframework.core.Ordered;
import org.springframework.http.HttpMethod;
import org.springframework.stereotype.Component;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/// Demands the scopes of an operation before anything of the request is read.
@Component
class ScopeGate implements WebMvcConfigurer, HandlerInterceptor {

    private final Callers callers;

    ScopeGate(Callers callers) {
        this.callers = callers;
    }

    @Override
    public void addInterceptors(InterceptorRegistry registry) {
        registry.addInterceptor(this).order(Ordered.HIGHEST_PRECEDENCE);
    }

    @Override
    public boolean preHandle(
            HttpServletRequest request, HttpServletResponse response, Object handler) {
        requireOwnPage(request);
        String operation = operation(handler);
        if (!operation.isEmpty()) {
            List<Set<Scope>> either = OperationScopes.either(operation);
            if (!either.getFirst().isEmpty()) {
                callers.require(operation, either);
            }
        }
        return true;
    }

    /// Refuses changes that a page of another site sends. A browser on this machine reaches the loopback address, and
    /// some requests it sends for any page without asking: a POST without a body, for one.
    private static void requireOwnPage(HttpServletRequest request) {
        String site = request.getHeader("Sec-Fetch-Site");
        if (site != null
                && !site.equals("same-origin")
                && !site.equals("none")
                && !HttpMethod.GET.matches(request.getMethod())
                && !HttpMethod.HEAD.matches(request.getMethod())
                && !HttpMethod.OPTIONS.matches(request.getMethod())) {
            throw new ForbiddenException(
                    "a browser sent this for a page of another site, which must not change anything here",
                    "");
        }
    }

    /// The operation's id in the contract; empty for what is no operation of it.
    static String operation(Object handler) {
        if (handler instanceof HandlerMethod method) {
            Operation operation = method.getMethodAnnotation(Operation.class);
            return operation == null ? "" : operation.operationId();
        }
        return "";
    }
}
