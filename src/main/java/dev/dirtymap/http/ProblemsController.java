package dev.dirtymap.http;

import io.swagger.v3.oas.annotations.Operation;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Content;
import io.swagger.v3.oas.annotations.media.Schema;
import io.swagger.v3.oas.annotations.responses.ApiResponse;
import io.swagger.v3.oas.annotations.tags.Tag;
import java.nio.charset.StandardCharsets;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/// The page behind each problem's `type`.
@RestController
@Tag(name = "Problems")
class ProblemsController {

    private static final MediaType HTML =
            new MediaType(MediaType.TEXT_HTML, StandardCharsets.UTF_8);

    @GetMapping("/problems/{slug}")
    @Operation(
            operationId = "getProblemType",
            summary = "Explain a kind of problem",
            description = "A page that says what the problem means and what to do next.",
            responses =
                    @ApiResponse(
                            responseCode = "200",
                            description = "The page.",
                            content =
                                    @Content(
                                            mediaType = MediaType.TEXT_HTML_VALUE,
                                            schema = @Schema(type = "string"))))
    ResponseEntity<String> explain(
            @Parameter(description = "The last part of a problem's type.", example = "image-locked")
                    @PathVariable
                    String slug) {
        ProblemType type =
                ProblemType.ofSlug(slug)
                        .orElseThrow(() ->
                                new ProblemException(
                                        ProblemType.NOT_FOUND,
                                        "there is no problem type '%s'".formatted(slug)));
        String page =
                """
                <!doctype html>
                <html lang="en">
                <meta charset="utf-8">
                <title>%1$s</title>
                <style>body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style>
                <h1>%1$s</h1>
                <p>HTTP status %2$d, type <code>%3$s</code></p>
                <h2>What it means</h2>
                <p>%4$s</p>
                <h2>What to do</h2>
                <p>%5$s</p>
                </html>
                """
                        .formatted(
                                type.title(),
                                type.status().value(),
                                type.path(),
                                type.explanation(),
                                type.remedy());
        return ResponseEntity.ok().contentType(HTML).body(page);
    }
}
