package dev.dirtymap.images;

import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/// What an operator says about images.
///
/// @param root the folder whose qcow2 files are served, sub-folders included; null for `./images`, which
///     is made with a sample image if it is not there
/// @param lockWait how long a request waits for an image's lock
@ConfigurationProperties("dirtymap")
record ImagesProperties(@Nullable Path root, @DefaultValue("2s") Duration lockWait) {

    ImagesProperties {
        if (lockWait.isNegative() || lockWait.compareTo(Duration.ofMinutes(1)) > 0) {
            throw new IllegalArgumentException(
                    "dirtymap.lock-wait must be 0s to 60s but was " + lockWait);
        }
    }
}
