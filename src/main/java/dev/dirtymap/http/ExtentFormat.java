package dev.dirtymap.http;

import jakarta.servlet.http.HttpServletRequest;
import java.util.Collections;
import java.util.List;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.util.MimeTypeUtils;

/// How a list of extents is told: a page of JSON, or a stream of all of them.
enum ExtentFormat {
    JSON(MediaType.APPLICATION_JSON_VALUE),
    NDJSON(MediaType.APPLICATION_NDJSON_VALUE),
    CSV("text/csv"),
    TEXT(MediaType.TEXT_PLAIN_VALUE),
    CBOR(MediaType.APPLICATION_CBOR_VALUE);

    private final String type;

    ExtentFormat(String type) {
        this.type = type;
    }

    /// What goes into `Content-Type`.
    String contentType() {
        return this == CSV || this == TEXT ? type + ";charset=UTF-8" : type;
    }

    /// The first of these that the request accepts, in the order of its own preferences. The route has seen
    /// to it that there is one.
    static ExtentFormat of(HttpServletRequest request) {
        List<MediaType> accepted =
                MediaType.parseMediaTypes(Collections.list(request.getHeaders(HttpHeaders.ACCEPT)));
        MimeTypeUtils.sortBySpecificity(accepted);
        for (MediaType wanted : accepted) {
            for (ExtentFormat format : values()) {
                if (wanted.includes(MediaType.parseMediaType(format.type))) {
                    return format;
                }
            }
        }
        return JSON;
    }
}
