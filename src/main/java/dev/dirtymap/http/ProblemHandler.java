package dev.dirtymap.http;

import dev.dirtymap.access.AuditTrail;
import dev.dirtymap.access.ForbiddenException;
import dev.dirtymap.access.KeysUnavailableException;
import dev.dirtymap.access.UnauthenticatedException;
import dev.dirtymap.images.BackingUnavailableException;
import dev.dirtymap.images.BitmapContent.LockLostException;
import dev.dirtymap.images.BitmapNotFoundException;
import dev.dirtymap.images.BitmapUnusableException;
import dev.dirtymap.images.BitsUpload;
import dev.dirtymap.images.ContentChangedException;
import dev.dirtymap.images.ImageExistsException;
import dev.dirtymap.images.ImageLockedException;
import dev.dirtymap.images.ImageNotFoundException;
import dev.dirtymap.images.ImageReadOnlyException;
import dev.dirtymap.images.ImageRefusedException;
import dev.dirtymap.images.ImageUnreadableException;
import dev.dirtymap.images.OutcomeUnknownException;
import dev.dirtymap.images.TransactionUnfinishedException;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.FormatException;
import dev.dirtymap.qcow2.NoSpaceException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.tomcat.util.http.InvalidParameterException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.http.converter.HttpMessageNotReadableException;
import org.springframework.web.ErrorResponse;
import org.springframework.web.HttpMediaTypeNotAcceptableException;
import org.springframework.web.HttpMediaTypeNotSupportedException;
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

    private final RequestMeters meters;

    ProblemHandler(RequestMeters meters) {
        this.meters = meters;
    }

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
        AuditTrail.problem(request, problem.type());
        meters.problem(problem.type());
        headers.setContentType(MediaType.APPLICATION_PROBLEM_JSON);
        // Spring would name a download "f.txt" where an id looks like a file name.
        headers.set(HttpHeaders.CONTENT_DISPOSITION, "inline");
        return ResponseEntity.status(problem.status()).headers(headers).body(problem);
    }

    /// A failure after the first byte of a stream, to be told within it.
    static Problem told(Exception failure, HttpServletRequest request) {
        return problem(failure, request, new HttpHeaders());
    }

    private static Problem problem(
            Exception failure, HttpServletRequest request, HttpHeaders headers) {
        return switch (failure) {
            case ProblemException e -> {
                if (e.members().get("totalBytes") instanceof Long total) {
                    headers.set(HttpHeaders.CONTENT_RANGE, "bytes */" + total);
                }
                if (e.type() == ProblemType.OVERLOADED) {
                    headers.set(HttpHeaders.RETRY_AFTER, RETRY_AFTER_LOCK);
                    // Who is sent away must not keep a place among the connections.
                    headers.setConnection("close");
                }
                yield refused(e, request);
            }
            case UnauthenticatedException e -> {
                headers.set(HttpHeaders.WWW_AUTHENTICATE, e.challenge());
                yield about(ProblemType.UNAUTHENTICATED, e, request);
            }
            case ForbiddenException e -> {
                headers.set(HttpHeaders.WWW_AUTHENTICATE, e.challenge());
                yield about(ProblemType.INSUFFICIENT_SCOPE, e, request);
            }
            case KeysUnavailableException e -> {
                LOG.error("{}: {}", e.getMessage(), String.valueOf(e.getCause()));
                headers.set(HttpHeaders.RETRY_AFTER, RETRY_AFTER_LOCK);
                yield about(ProblemType.OVERLOADED, e, request);
            }
            case ImageNotFoundException e -> about(ProblemType.IMAGE_NOT_FOUND, e, request);
            case BitmapNotFoundException e -> about(ProblemType.BITMAP_NOT_FOUND, e, request);
            case ImageUnreadableException e ->
                    about(
                            e.isUnknownFeature() && !isRead(request)
                                    ? ProblemType.UNSUPPORTED_FEATURE
                                    : ProblemType.IMAGE_UNREADABLE,
                            e,
                            request);
            case ImageExistsException e -> about(ProblemType.IMAGE_EXISTS, e, request);
            case ImageReadOnlyException e -> about(ProblemType.IMAGE_READ_ONLY, e, request);
            case TransactionUnfinishedException e ->
                    about(ProblemType.TRANSACTION_UNFINISHED, e, request)
                            .with("journal", e.journal());
            case ImageRefusedException e -> imageRefused(e, request);
            case OperationRefusedException e -> operationRefused(e, request, headers);
            case NoSpaceException e ->
                    Problem.of(
                            ProblemType.INSUFFICIENT_STORAGE,
                            "the file system has no room for the change: " + e.getMessage(),
                            request.getRequestURI());
            case OutcomeUnknownException e -> {
                LOG.error("request {}: {}", request.getAttribute(RequestIdFilter.HEADER), e, e);
                yield about(ProblemType.INTERNAL_ERROR, e, request);
            }
            case BackingUnavailableException e ->
                    about(ProblemType.BACKING_UNAVAILABLE, e, request).with("file", e.name());
            case ContentChangedException e -> about(ProblemType.CONTENT_CHANGED, e, request);
            // A structure that was good when the image was opened and is not any more.
            case FormatException e -> about(ProblemType.CONTENT_CHANGED, e, request);
            case ImageLockedException e -> locked(e, request, headers);
            case LockLostException e -> locked(e.locked(), request, headers);
            case BitmapUnusableException e -> unusable(e, request);
            case InvalidParameterException _ ->
                    refused(
                            ProblemException.invalid(
                                    "query",
                                    "must be UTF-8 with each '%' followed by two hex digits"),
                            request);
            case HttpMessageNotReadableException _, BitsUpload.BrokenOffException _ ->
                    refused(ProblemException.inBody("", "must be sent whole"), request);
            case HttpMediaTypeNotSupportedException e -> unsupportedMediaType(e, request, headers);
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
        return about(unusable(e.state()), e, request).with("state", e.state());
    }

    private static ProblemType unusable(@Nullable BitmapState state) {
        return switch (state) {
            case INCONSISTENT -> ProblemType.BITMAP_INCONSISTENT;
            case ORPHANED -> ProblemType.BITMAPS_ORPHANED;
            case CORRUPT -> ProblemType.BITMAP_CORRUPT;
            case UNSUPPORTED -> ProblemType.BITMAP_UNSUPPORTED;
            case CONSISTENT, IN_USE -> ProblemType.INTERNAL_ERROR;
            case null -> ProblemType.INTERNAL_ERROR;
        };
    }

    private static Problem imageRefused(ImageRefusedException e, HttpServletRequest request) {
        ProblemType type =
                switch (e.kind()) {
                    case IMAGE_VERSION -> ProblemType.IMAGE_VERSION;
                    case IMAGE_DIRTY -> ProblemType.IMAGE_DIRTY;
                    case IMAGE_CORRUPT -> ProblemType.IMAGE_CORRUPT;
                    case ORPHANED -> ProblemType.BITMAPS_ORPHANED;
                    case DIRECTORY_BROKEN -> ProblemType.BITMAP_CORRUPT;
                    case BITMAP_EXISTS -> ProblemType.BITMAP_EXISTS;
                    case BITMAP_NOT_FOUND -> ProblemType.BITMAP_NOT_FOUND;
                    case BITMAP_UNUSABLE -> unusable(e.state());
                    case LIMIT_EXCEEDED -> ProblemType.LIMIT_EXCEEDED;
                    case SIZE_MISMATCH -> ProblemType.SIZE_MISMATCH;
                    case HEADER_FULL -> ProblemType.HEADER_FULL;
                    case OUT_OF_RANGE -> ProblemType.RANGE_NOT_SATISFIABLE;
                };
        Problem problem = about(type, e, request);
        return e.state() == null ? problem : problem.with("state", e.state());
    }

    private static Problem operationRefused(
            OperationRefusedException e, HttpServletRequest request, HttpHeaders headers) {
        Problem problem = problem(e.reason(), request, headers).with("index", e.index());
        return e.image() == null ? problem : problem.with("image", e.image());
    }

    /// Whether a request only reads: then an image with a feature that nobody knows is one that cannot be
    /// read, and otherwise one that must not be changed.
    private static boolean isRead(HttpServletRequest request) {
        return HttpMethod.GET.matches(request.getMethod())
                || HttpMethod.HEAD.matches(request.getMethod());
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

    private static Problem unsupportedMediaType(
            HttpMediaTypeNotSupportedException e, HttpServletRequest request, HttpHeaders headers) {
        String supported =
                e.getSupportedMediaTypes().stream()
                        .map(MediaType::toString)
                        .sorted()
                        .collect(Collectors.joining(" or "));
        headers.set(
                HttpMethod.PATCH.matches(request.getMethod())
                        ? HttpHeaders.ACCEPT_PATCH
                        : HttpHeaders.ACCEPT,
                supported.replace(" or ", ", "));
        String given = request.getHeader(HttpHeaders.CONTENT_TYPE);
        return Problem.of(
                ProblemType.UNSUPPORTED_MEDIA_TYPE,
                "the header Content-Type must be %s, but was %s"
                        .formatted(supported, given == null ? "absent" : "'" + given + "'"),
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
