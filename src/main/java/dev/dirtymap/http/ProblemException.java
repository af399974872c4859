package dev.dirtymap.http;

import io.swagger.v3.oas.annotations.media.Schema;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// A request that is refused for what it says, found in this package.
final class ProblemException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final ProblemType type;
    private final transient Map<String, Object> members = new LinkedHashMap<>();

    ProblemException(ProblemType type, String detail) {
        super(detail);
        this.type = type;
    }

    /// One thing that is wrong with a request.
    @Schema(
            description = "One thing that is wrong with a request.",
            requiredProperties = {"parameter", "message"})
    record ParameterError(
            @Schema(description = "Which parameter, or which part of the request.")
                    String parameter,
            @Schema(description = "What it must be, and what it was.") String message) {}

    /// A 400 for one parameter.
    static ProblemException invalid(String parameter, String message) {
        return invalid(List.of(new ParameterError(parameter, message)));
    }

    /// A 400 for everything that is wrong with a request.
    static ProblemException invalid(List<ParameterError> errors) {
        String detail =
                errors.stream()
                        .map(error -> error.parameter() + ": " + error.message())
                        .collect(Collectors.joining("; "));
        return new ProblemException(ProblemType.INVALID_REQUEST, detail).with("errors", errors);
    }

    ProblemException with(String member, Object value) {
        members.put(member, value);
        return this;
    }

    ProblemType type() {
        return type;
    }

    Map<String, Object> members() {
        return members;
    }
}
