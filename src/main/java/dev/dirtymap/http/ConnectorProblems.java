package dev.dirtymap.http;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.RequestDispatcher;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import org.apache.catalina.Container;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Request;
import org.apache.catalina.connector.Response;
import org.apache.catalina.core.StandardHost;
import org.apache.catalina.valves.ErrorReportValve;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.tomcat.servlet.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.boot.webmvc.error.ErrorController;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.context.support.WebApplicationContextUtils;
import tools.jackson.databind.json.JsonMapper;

/// Problems for what never reaches a controller: a broken request line, an escaped slash in a path, a
/// failure in a filter. Tomcat would answer with a page of its own, in HTML and with its version.
final class ConnectorProblems {

    private ConnectorProblems() {}

    /// What such a failure tells the caller: the status, and nothing from inside.
    static Problem problem(int status, String instance) {
        String detail =
                switch (status) {
                    case 400 ->
                            "the request line or a header is malformed, or both together are longer than 64"
                                    + " KiB; a path has at most %d '/' and ';' and %d bytes, and a slash within a name"
                                            .formatted(
                                                    RequestLimits.MAX_SEPARATORS,
                                                    RequestLimits.MAX_PATH)
                                    + " is written ~2F, never %2F; Accept and Content-Type have at most "
                                    + RequestLimits.MAX_MEDIA_TYPES
                                    + " bytes each";
                    case 404 -> "there is nothing at " + instance;
                    case 405 -> "the method is not allowed here";
                    case 417 -> "of all expectations only 100-continue is known";
                    case 501 -> "the method or the transfer encoding is not known";
                    case 505 -> "the version of HTTP must be 1.0 or 1.1";
                    default -> "the server answered with status " + status;
                };
        return Problem.of(status, detail, instance);
    }

    /// Replaces Tomcat's error page.
    public static final class Valve extends ErrorReportValve {

        private static final JsonMapper JSON = JsonMapper.builder().build();

        @Override
        protected void report(Request request, Response response, @Nullable Throwable throwable) {
            int status = response.getStatus();
            if (status < 400 || response.getContentWritten() > 0 || !response.setErrorReported()) {
                return;
            }
            String path = request.getRequestURI();
            Problem problem = problem(status, path == null ? "" : path);
            response.setContentType(MediaType.APPLICATION_PROBLEM_JSON_VALUE);
            response.setCharacterEncoding(StandardCharsets.UTF_8);
            response.setHeader("X-Content-Type-Options", "nosniff");
            if (response.getHeader(RequestIdFilter.HEADER) == null) {
                response.setHeader(
                        RequestIdFilter.HEADER,
                        RequestIdFilter.choose(request.getHeader(RequestIdFilter.HEADER)));
            }
            try (Writer writer = response.getReporter()) {
                if (writer != null) {
                    writer.write(JSON.writeValueAsString(problem));
                    response.finishResponse();
                }
                count(problem);
            } catch (IOException | IllegalStateException e) {
                container.getLogger().debug("the client is gone before its error was sent", e);
            }
        }

        /// Tomcat makes this object, and Spring knows nothing of it.
        private void count(Problem problem) {
            for (Container child : container.findChildren()) {
                if (child instanceof Context context) {
                    WebApplicationContextUtils.getRequiredWebApplicationContext(
                                    context.getServletContext())
                            .getBean(RequestMeters.class)
                            .problem(problem.type());
                }
            }
        }
    }

    @Component
    static final class Customizer
            implements WebServerFactoryCustomizer<TomcatServletWebServerFactory> {

        @Override
        public void customize(TomcatServletWebServerFactory factory) {
            factory.addContextCustomizers(context -> {
                if (context.getParent() instanceof StandardHost host) {
                    host.setErrorReportValveClass(Valve.class.getName());
                }
            });
        }
    }

    /// Where the container sends failures of filters and `sendError`.
    @RestController
    static final class Errors implements ErrorController {

        private final RequestMeters meters;

        Errors(RequestMeters meters) {
            this.meters = meters;
        }

        @RequestMapping("/error")
        @Nullable ResponseEntity<Problem> error(
                HttpServletRequest request, HttpServletResponse response) {
            if (response.isCommitted() || request.getDispatcherType() == DispatcherType.INCLUDE) {
                // A part of another answer has gone out: a problem must not be appended to it.
                return null;
            }
            RequestIdFilter.mark(request, response);
            Object code = request.getAttribute(RequestDispatcher.ERROR_STATUS_CODE);
            Object path = request.getAttribute(RequestDispatcher.ERROR_REQUEST_URI);
            int status = code instanceof Integer known ? known : 404;
            String instance = path instanceof String text ? text : request.getRequestURI();
            Problem problem = problem(status, instance);
            meters.problem(problem.type());
            return ResponseEntity.status(status)
                    .contentType(MediaType.APPLICATION_PROBLEM_JSON)
                    .header(HttpHeaders.CONTENT_DISPOSITION, "inline")
                    .body(problem);
        }
    }
}
