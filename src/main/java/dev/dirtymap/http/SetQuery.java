package dev.dirtymap.http;

import dev.dirtymap.qcow2.Algebra;
import io.swagger.v3.oas.annotations.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a list of an image's extents is of: its own map, or bitmaps.
record SetQuery(
        @Parameter(
                        description =
                                "A bitmap's id, once for each bitmap; without any, the list is the image's own"
                                        + " map.")
                @Nullable List<String> bitmap,
        @Parameter(
                        description =
                                "How several bitmaps are combined, of whatever granularity: DIFFERENCE is the"
                                        + " first without the others.")
                Algebra.@Nullable Operation combine,
        @Parameter(
                        description =
                                "Whether the map goes down the chain of backing files; false by default.")
                @Nullable Boolean chain) {}
