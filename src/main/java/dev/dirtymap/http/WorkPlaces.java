package dev.dirtymap.http;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.http.HttpMethod;
import org.springframework.stereotype.Component;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.HandlerMapping;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/// How much is done at once, streams apart ([StreamPlaces]). Each request takes as many places as it may take of the
/// heap; who finds too few waits some seconds, and is then told to come again.
@Component
class WorkPlaces implements WebMvcConfigurer, HandlerInterceptor {

    /// What one place stands for.
    private static final long PLACE_BYTES = 64 << 10;

    /// The part of the heap: the rest is for streams, connections and the service itself.
    private static final int HEAP_PART = 8;

    /// A scan, or a change, with its buffers and its answer.
    private static final long USUAL_BYTES = 256 << 10;

    /// Counters of clusters, and findings.
    private static final long CHECK_BYTES = 8 << 20;

    /// An extent of a page, and what a body becomes for each of its bytes.
    private static final long EXTENT_BYTES = 32;

    private static final long MAX_EXTENTS = 100_000;

    private static final int BODY_FACTOR = 4;

    /// One may wait for each two places, of which a usual request takes four: together with those at work, about
    /// three quarters of the connections that there may be ([ConnectorBuffers]).
    private static final int PLACES_A_WAITER = 2;

    /// Whose path is longer does not wait: with all that Tomcat and Spring make of it, it takes as much again as a
    /// connection.
    private static final int MAX_WAITING_PATH = 4 << 10;

    private static final long WAIT_MILLIS = 5000;
    private static final String TAKEN = WorkPlaces.class.getName();

    private final int count;
    private final Semaphore places;

    @Autowired
    WorkPlaces() {
        this(Runtime.getRuntime().maxMemory() / HEAP_PART);
    }

    /// @param bytes what all requests together may take of the heap
    WorkPlaces(long bytes) {
        this.count = Math.clamp(bytes / PLACE_BYTES, 1, 1 << 20);
        this.places = new Semaphore(count, true);
    }

    @Override
    public void addInterceptors(InterceptorRegistry registry) {
        // After the parameters have been looked at.
        registry.addInterceptor(this).addPathPatterns("/v1/**").order(1);
    }

    @Override
    public boolean preHandle(
            HttpServletRequest request, HttpServletResponse response, Object handler) {
        int wanted = Math.clamp(bytes(request) / PLACE_BYTES, 0, count);
        if (wanted > 0) {
            take(wanted, request.getRequestURI().length() <= MAX_WAITING_PATH);
            request.setAttribute(TAKEN, wanted);
        }
        return true;
    }

    /// Waits for places, but not long.
    ///
    /// @param waits false if it must not wait at all
    /// @throws ProblemException if there are too few
    void take(int wanted, boolean waits) {
        if (!places.tryAcquire(wanted)
                && (!waits
                        || places.getQueueLength() >= count / PLACES_A_WAITER
                        || !awaitPlaces(wanted))) {
            throw new ProblemException(
                    ProblemType.OVERLOADED, "as many requests as fit into the memory are at work");
        }
    }

    void release(int taken) {
        places.release(taken);
    }

    private boolean awaitPlaces(int wanted) {
        try {
            return places.tryAcquire(wanted, WAIT_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void afterCompletion(
            HttpServletRequest request,
            HttpServletResponse response,
            Object handler,
            @Nullable Exception failure) {
        if (request.getAttribute(TAKEN) instanceof Integer taken) {
            request.removeAttribute(TAKEN);
            release(taken);
        }
    }

    /// About what a request may take of the heap. A stream has a place of its own and takes none here.
    static long bytes(HttpServletRequest request) {
        Object matched = request.getAttribute(HandlerMapping.BEST_MATCHING_PATTERN_ATTRIBUTE);
        String route = matched == null ? "" : matched.toString();
        if (route.endsWith("/extents")) {
            return isStream(request) ? 0 : USUAL_BYTES + extents(request) * EXTENT_BYTES;
        }
        if (route.endsWith("/check")) {
            return CHECK_BYTES;
        }
        if (HttpMethod.POST.matches(request.getMethod())
                || HttpMethod.PATCH.matches(request.getMethod())) {
            long length = request.getContentLengthLong();
            return USUAL_BYTES
                    + BODY_FACTOR
                            * (length < 0
                                    ? JsonBodies.MAX_LENGTH
                                    : Math.min(length, JsonBodies.MAX_LENGTH));
        }
        return USUAL_BYTES;
    }

    private static boolean isStream(HttpServletRequest request) {
        return ExtentFormat.of(request) != ExtentFormat.JSON;
    }

    private static long extents(HttpServletRequest request) {
        String limit = request.getParameter("limit");
        // Any other text is refused later on.
        return limit != null && limit.matches("[0-9]{1,18}")
                ? Math.min(Long.parseLong(limit), MAX_EXTENTS)
                : 0;
    }
}
