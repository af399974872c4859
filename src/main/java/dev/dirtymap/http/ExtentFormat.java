package dev.dirtymap.http;

import jakarta.servlet.http.HttpServletRequest;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;

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

    /// The one that the request likes best; of equals the one that it names most exactly, then the one that it
    /// names first. Without the header, JSON.
    ///
    /// @throws ProblemException if it excludes all that it names; that it names one the route has seen to
    static ExtentFormat of(HttpServletRequest request) {
        List<MediaType> accepted =
                MediaType.parseMediaTypes(Collections.list(request.getHeaders(HttpHeaders.ACCEPT)));
        if (accepted.isEmpty()) {
            return JSON;
        }
        ExtentFormat best = null;
        MediaType chosen = null;
        for (ExtentFormat format : values()) {
            MediaType range = format.range(accepted);
            if (range == null || range.getQualityValue() == 0) {
                continue;
            }
            if (chosen == null || isBetter(range, chosen, accepted)) {
                best = format;
                chosen = range;
            }
        }
        if (best == null) {
            throw new ProblemException(
                    ProblemType.NOT_ACCEPTABLE,
                    "the header Accept excludes all that there is: '%s'"
                            .formatted(MediaType.toString(accepted)));
        }
        return best;
    }

    /// What the header says of this one: the most exact range counts (RFC 9110, 12.5.1).
    private @Nullable MediaType range(List<MediaType> accepted) {
        MediaType own = MediaType.parseMediaType(type);
        MediaType range = null;
        for (MediaType candidate : accepted) {
            if (candidate.includes(own)
                    && (range == null || exactness(candidate) > exactness(range))) {
                range = candidate;
            }
        }
        return range;
    }

    private static boolean isBetter(MediaType one, MediaType other, List<MediaType> accepted) {
        if (one.getQualityValue() != other.getQualityValue()) {
            return one.getQualityValue() > other.getQualityValue();
        }
        if (exactness(one) != exactness(other)) {
            return exactness(one) > exactness(other);
        }
        return accepted.indexOf(one) < accepted.indexOf(other);
    }

    private static int exactness(MediaType range) {
        return range.isWildcardType() ? 0 : range.isWildcardSubtype() ? 1 : 2;
    }
}
