package dev.dirtymap.http;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpHeaders;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;

/// Gives every response an `X-Request-Id`, the request's own if it is sane, else a new one, and what keeps browsers from
/// guessing at types, from showing the pages within others, and from showing an old answer to another caller.
@Component
@Order(Ordered.HIGHEST_PRECEDENCE)
class RequestIdFilter extends OncePerRequestFilter {

    static final String HEADER = "X-Request-Id";

    private static final Pattern SANE = Pattern.compile("[A-Za-z0-9._:+/=-]{1,128}");

    @Override
    protected void doFilterInternal(
            HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        MDC.put("requestId", mark(request, response));
        try {
            chain.doFilter(request, response);
        } finally {
            MDC.remove("requestId");
        }
    }

    /// Sets the headers, also on a response that was reset since the filter ran, or that it never saw because
    /// the container refused the request first.
    ///
    /// @return the id
    static String mark(HttpServletRequest request, HttpServletResponse response) {
        String id =
                request.getAttribute(HEADER) instanceof String known
                        ? known
                        : choose(request.getHeader(HEADER));
        request.setAttribute(HEADER, id);
        response.setHeader(HEADER, id);
        response.setHeader("X-Content-Type-Options", "nosniff");
        response.setHeader("Content-Security-Policy", "frame-ancestors 'none'");
        if (request.getRequestURI().startsWith("/v1/")) {
            // Its ETag says whether it still holds.
            response.setHeader(HttpHeaders.CACHE_CONTROL, "private, no-cache");
        }
        return id;
    }

    /// The id to use for a request that says this. One that we choose is told apart from others, and is no secret:
    /// the secure source has one lock for all, at which requests waited for seconds under load.
    static String choose(@Nullable String given) {
        if (given != null && SANE.matcher(given).matches()) {
            return given;
        }
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long high = (random.nextLong() & ~0xf000L) | 0x4000L;
        long low = (random.nextLong() >>> 2) | Long.MIN_VALUE;
        return new UUID(high, low).toString();
    }
}
