package dev.dirtymap.http;

import dev.dirtymap.http.ProblemException.ParameterError;
import dev.dirtymap.images.BitmapContent.LockLostException;
import dev.dirtymap.images.BitmapNotFoundException;
import dev.dirtymap.images.BitmapUnusableException;
import dev.dirtymap.images.ContentChangedException;
import dev.dirtymap.images.ImageLockedException;
import dev.dirtymap.images.ImageNotFoundException;
import dev.dirtymap.images.ImageUnreadableException;
import dev.dirtymap.qcow2.FormatException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.tomcat.util.http.InvalidParameterException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.validation.BindException;
import org.springframework.web.ErrorResponse;
import org.springframework.web.HttpMediaTypeNotAcceptableException;
import org.springframework.web.HttpRequestMethodNotSupportedException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.RestControllerAdvice;
import org.springframework.web.context.request.async.AsyncRequestNotUsableException;
import org.springframework.web.servlet.resource.NoResourceFoundException;

/// The one switch from failures to problems: which type, which members, which headers.
@RestControllerAdvice
class ProblemHandler {

    private static final Logger LOG = LoggerFactory.getLogger(ProblemHandler.class);

    /// How long to wait before asking for a locked image again, in seconds.
    private static final String RETRY_AFTER_LOCK = "5";

    @ExceptionHandler(Exception.class)
    ResponseEntity<Problem> handle(
            Exception failure, HttpServletRequest request, HttpServletResponse response)
            throws Exception {
        if (response.isCommitted()) {
            // Too late for a problem: the container must cut the connection, so that nobody takes
            // what was sent for a whole answer.
            throw failure;
        }
        // What a half-made answer put there does not belong to a problem.
        response.reset();
        RequestIdFilter.mark(request, response);
        HttpHeaders headers = new HttpHeaders();
        Problem problem = problem(failure, request, headers);
        headers.setContentType(MediaType.APPLICATION_PROBLEM_JSON);
        // Spring would name a download "f.txt" where an id looks like a file name.
        headers.set(HttpHeaders.CONTENT_DISPOSITION, "inline");
        return ResponseEntity.status(problem.status()).headers(headers).body(problem);
    }

    private static Problem problem(
            Exception failure, HttpServletRequest request, HttpHeaders headers) {
        return switch (failure) {
            case ProblemException e -> {
                if (e.members().get("totalBytes") instanceof Long total) {
                    headers.set(HttpHeaders.CONTENT_RANGE, "bytes */" + total);
                }
                yield refused(e, request);
            }
            case ImageNotFoundException e -> about(ProblemType.IMAGE_NOT_FOUND, e, request);
            case BitmapNotFoundException e -> about(ProblemType.BITMAP_NOT_FOUND, e, request);
            case ImageUnreadableException e -> about(ProblemType.IMAGE_UNREADABLE, e, request);
            case ContentChangedException e -> about(ProblemType.CONTENT_CHANGED, e, request);
            // A structure that was good when the image was opened and is not any more.
            case FormatException e -> about(ProblemType.CONTENT_CHANGED, e, request);
            case ImageLockedException e -> locked(e, request, headers);
            case LockLostException e -> locked(e.locked(), request, headers);
            case BitmapUnusableException e -> unusable(e, request);
            case BindException e -> refused(invalid(e), request);
            case InvalidParameterException _ ->
                    refused(
                            ProblemException.invalid(
                                    "query",
                                    "must be UTF-8 with each '%' followed by two hex digits"),
                            request);
            case HttpRequestMethodNotSupportedException e -> methodNotAllowed(e, request, headers);
            case HttpMediaTypeNotAcceptableException e -> notAcceptable(e, request);
            case NoResourceFoundException _ ->
                    Problem.of(
                            ProblemType.NOT_FOUND,
                            "there is nothing at " + request.getRequestURI(),
                            request.getRequestURI());
            case ErrorResponse e -> {
                headers.putAll(e.getHeaders());
                int status = e.getStatusCode().value();
                String detail = e.getBody().getDetail();
                yield Problem.of(
                        status,
                        detail == null ? "the request was refused" : detail,
                        request.getRequestURI());
            }
            case AsyncRequestNotUsableException _ ->
                    Problem.of(ProblemType.INTERNAL_ERROR, "the client is gone", "");
            default -> {
                LOG.error(
                        "request {} failed: {} {}",
                        request.getAttribute(RequestIdFilter.HEADER),
                        request.getMethod(),
                        request.getRequestURI(),
                        failure);
                yield Problem.of(
                        ProblemType.INTERNAL_ERROR,
                        "%s: %s"
                                .formatted(
                                        failure.getClass().getSimpleName(), failure.getMessage()),
                        request.getRequestURI());
            }
        };
    }

    private static Problem about(ProblemType type, Exception failure, HttpServletRequest request) {
        return Problem.of(type, String.valueOf(failure.getMessage()), request.getRequestURI());
    }

    private static Problem locked(
            ImageLockedException e, HttpServletRequest request, HttpHeaders headers) {
        headers.set(HttpHeaders.RETRY_AFTER, RETRY_AFTER_LOCK);
        return about(ProblemType.IMAGE_LOCKED, e, request).with("holder", e.holder());
    }

    private static Problem unusable(BitmapUnusableException e, HttpServletRequest request) {
        ProblemType type =
                switch (e.state()) {
                    case INCONSISTENT -> ProblemType.BITMAP_INCONSISTENT;
                    case ORPHANED -> ProblemType.BITMAPS_ORPHANED;
                    case CORRUPT -> ProblemType.BITMAP_CORRUPT;
                    case UNSUPPORTED -> ProblemType.BITMAP_UNSUPPORTED;
                    case CONSISTENT, IN_USE -> ProblemType.INTERNAL_ERROR;
                };
        return about(type, e, request).with("state", e.state());
    }

    private static ProblemException invalid(BindException e) {
        return ProblemException.invalid(
                e.getFieldErrors().stream()
                        .map(field ->
                                new ParameterError(
                                        field.getField(),
                                        "%s, but was '%s'"
                                                .formatted(
                                                        field.getDefaultMessage(),
                                                        field.getRejectedValue())))
                        .toList());
    }

    private static Problem refused(ProblemException e, HttpServletRequest request) {
        Problem problem = about(e.type(), e, request);
        for (var member : e.members().entrySet()) {
            problem = problem.with(member.getKey(), member.getValue());
        }
        return problem;
    }

    private static Problem methodNotAllowed(
            HttpRequestMethodNotSupportedException e,
            HttpServletRequest request,
            HttpHeaders headers) {
        Set<HttpMethod> allowed = new TreeSet<>(Set.of(HttpMethod.OPTIONS));
        if (e.getSupportedHttpMethods() != null) {
            allowed.addAll(e.getSupportedHttpMethods());
        }
        if (allowed.contains(HttpMethod.GET)) {
            allowed.add(HttpMethod.HEAD);
        }
        headers.setAllow(allowed);
        return Problem.of(
                ProblemType.METHOD_NOT_ALLOWED,
                "the method must be one of %s, but was %s"
                        .formatted(headers.getFirst(HttpHeaders.ALLOW), e.getMethod()),
                request.getRequestURI());
    }

    private static Problem notAcceptable(
            HttpMediaTypeNotAcceptableException e, HttpServletRequest request) {
        return Problem.of(
                ProblemType.NOT_ACCEPTABLE,
                "the header Accept must allow %s, but was '%s'"
                        .formatted(
                                e.getSupportedMediaTypes().stream()
                                        .map(MediaType::toString)
                                        .collect(Collectors.joining(" or ")),
                                request.getHeader(HttpHeaders.ACCEPT)),
                request.getRequestURI());
    }
}
