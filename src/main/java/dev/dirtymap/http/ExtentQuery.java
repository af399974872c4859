package dev.dirtymap.http;

import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.qcow2.Shape;
import io.swagger.v3.oas.annotations.Parameter;
import io.swagger.v3.oas.annotations.media.Schema;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import org.jspecify.annotations.Nullable;

/// The parameters of a list of extents.
record ExtentQuery(
        @Parameter(
                        description =
                                "First guest byte of the window; 0 by default. The size of the disk gives"
                                        + " an empty list.")
                @Min(0)
                @Schema(example = "0")
                @Nullable Long offset,
        @Parameter(description = "Guest bytes of the window; to the end of the disk by default.")
                @Min(0)
                @Schema(example = "5368709120")
                @Nullable Long length,
        @Parameter(
                        description =
                                "How many extents at most, 1 to 100000; 1000 by default for a page, and no limit for a"
                                        + " stream.")
                @Min(1)
                @Max(100_000)
                @Schema(example = "100")
                @Nullable Integer limit,
        @Parameter(
                        description =
                                "The nextCursor of the page before; other parameters may be left out or"
                                        + " repeated as they were, and limit may change.")
                @Nullable String cursor,
        @Parameter(description = "Which extents: DIRTY by default.") @Nullable Selection state,
        @Parameter(
                        description =
                                "Dirty extents grow outward to multiples of this many bytes, and join: a power of two,"
                                        + " at least the granularity.")
                @Min(1)
                @Schema(example = "1048576")
                @Nullable Long align,
        @Parameter(
                        description =
                                "Dirty extents are joined over clean bytes that are fewer than this.")
                @Min(0)
                @Schema(example = "4194304")
                @Nullable Long gap,
        @Parameter(description = "Longer extents are split, in bytes: at least 512.")
                @Min(512)
                @Schema(example = "1073741824")
                @Nullable Long maxLength) {

    /// How the extents are to be drawn.
    ///
    /// @throws ProblemException if `align` is no power of two, or less than the granularity
    Shape shape(long granularity) {
        if (align != null && (Long.bitCount(align) != 1 || align < granularity)) {
            throw ProblemException.invalid(
                    "align",
                    "must be a power of two of at least the granularity, %d, but was %d"
                            .formatted(granularity, align));
        }
        return new Shape(
                align == null ? 1 : align,
                gap == null ? 0 : gap,
                maxLength == null ? Long.MAX_VALUE : maxLength);
    }
}
