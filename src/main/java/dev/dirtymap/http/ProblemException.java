package dev.dirtymap.http;

import io.swagger.v3.oas.annotations.media.Schema;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

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
    @Schema(description = "One thing that is wrong with a request.", requiredProperties = "message")
    record ParameterError(
            @Schema(
                            description =
                                    "Which parameter or header, or which part of the request; absent where it"
                                            + " is the body.")
                    @Nullable String parameter,
            @Schema(
                            description =
                                    "Which value of the JSON body, as a JSON pointer (RFC 6901): \"\" is the"
                                            + " whole body. Absent where it is a parameter.")
                    @Nullable String pointer,
            @Schema(description = "What it must be, and what it was.") String message) {

        ParameterError(String parameter, String message) {
            this(parameter, null, message);
        }

        /// Something in the body.
        static ParameterError in(String pointer, String message) {
            return new ParameterError(null, pointer, message);
        }

        private String place() {
            if (parameter != null) {
                return parameter;
            }
            return pointer == null || pointer.isEmpty() ? "body" : pointer;
        }
    }

    /// A 400 for one parameter.
    static ProblemException invalid(String parameter, String message) {
        return invalid(List.of(new ParameterError(parameter, message)));
    }

    /// A 400 for everything that is wrong with a request.
    static ProblemException invalid(List<ParameterError> errors) {
        String detail =
                errors.stream()
                        .map(error -> error.place() + ": " + error.message())
                        .collect(Collectors.joining("; "));
        return new ProblemException(ProblemType.INVALID_REQUEST, detail).with("errors", errors);
    }

    /// A 400 for one value of the body.
    static ProblemException inBody(String pointer, String message) {
        return invalid(List.of(ParameterError.in(pointer, message)));
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
