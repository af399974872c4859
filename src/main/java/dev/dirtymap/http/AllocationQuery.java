package dev.dirtymap.http;

import io.swagger.v3.oas.annotations.Parameter;
import org.jspecify.annotations.Nullable;

/// What to tell of extents beside what is dirty.
record AllocationQuery(
        @Parameter(
                        description =
                                "ALLOCATION splits the extents by what the image has there, so that a copy can"
                                        + " skip zeros.")
                @Nullable Include include) {

    /// More to tell.
    enum Include {
        ALLOCATION
    }

    boolean withAllocation() {
        return include == Include.ALLOCATION;
    }
}
