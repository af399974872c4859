package dev.dirtymap.http;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.LinkedHashMap;
import java.util.Map;

/// What every error answers (RFC 9457), as `application/problem+json`.
///
/// @param more further members that carry data, such as `errors`, `holder` or `virtualSize`
@Schema(
        description = "An error: what happened, to what, and what to do next (RFC 9457).",
        requiredProperties = {"type", "title", "status", "detail", "instance", "remedy"})
record Problem(
        @Schema(
                        description =
                                "Names the kind of problem; answers GET with a page that explains it.",
                        pattern = "^/problems/[a-z-]+$")
                String type,
        @Schema(description = "The kind of problem in a few words.") String title,
        @Schema(description = "The HTTP status.") int status,
        @Schema(
                        description =
                                "What happened here: the image, the bitmap, the value and what was expected.")
                String detail,
        @Schema(description = "The path of the request.") String instance,
        @Schema(description = "What to do next.") String remedy,
        @JsonAnyGetter @Schema(hidden = true) Map<String, Object> more) {

    static Problem of(ProblemType type, String detail, String instance) {
        return new Problem(
                type.path(),
                type.title(),
                type.status().value(),
                detail,
                instance,
                type.remedy(),
                Map.of());
    }

    /// A problem of which nothing but the status is known.
    static Problem of(int status, String detail, String instance) {
        ProblemType type = ProblemType.ofStatus(status);
        return new Problem(
                type.path(), type.title(), status, detail, instance, type.remedy(), Map.of());
    }

    /// This problem with one more member.
    Problem with(String member, Object value) {
        Map<String, Object> members = new LinkedHashMap<>(more);
        members.put(member, value);
        return new Problem(type, title, status, detail, instance, remedy, members);
    }
}
