package dev.dirtymap.http;

import dev.dirtymap.images.Images;
import java.io.IOException;
import java.util.List;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/// What health says of the folder that is served, so that the three things that can be wrong with it are told apart:
///
/// - `root`: it cannot be reached, so nothing is served. A part of readiness.
/// - `space`: its file system is full. Everything can be read, and changes are refused.
/// - `transactions`: one over several images waits for an operator. All other images are served as ever.
///
/// The last two are no part of readiness, and none is part of liveness: to start the service anew would mend nothing.
@Configuration(proxyBeanMethods = false)
class RootHealth {

    /// Below this the file system counts as full. Bits of one bitmap of some terabytes.
    private static final long FULL_BYTES = 16 << 20;

    private static final long PATIENCE_MILLIS = 2000;

    private final PatientLook<Long> freeBytes;
    private final PatientLook<List<String>> unfinished;

    RootHealth(Images images) {
        String root = "the folder " + images.rootPath();
        this.freeBytes = new PatientLook<>(root, images::freeBytes, PATIENCE_MILLIS);
        this.unfinished = new PatientLook<>(root, images::unfinishedTransactions, PATIENCE_MILLIS);
    }

    /// One answer of one look.
    @FunctionalInterface
    private interface Examination {
        Health.Builder run() throws IOException, InterruptedException;
    }

    private static Health examine(Examination examination) {
        try {
            return examination.run().build();
        } catch (IOException e) {
            return Health.down().withDetail("reason", String.valueOf(e.getMessage())).build();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Health.unknown().build();
        }
    }

    @Bean
    HealthIndicator rootHealthIndicator() {
        return () ->
                examine(() -> {
                    freeBytes.get();
                    return Health.up();
                });
    }

    @Bean
    HealthIndicator spaceHealthIndicator() {
        return () ->
                examine(() -> {
                    long free;
                    try {
                        free = freeBytes.get();
                    } catch (IOException unreachable) {
                        return Health.unknown();
                    }
                    return (free < FULL_BYTES ? Health.down() : Health.up())
                            .withDetail("freeBytes", free)
                            .withDetail("fullBelowBytes", FULL_BYTES);
                });
    }

    @Bean
    HealthIndicator transactionsHealthIndicator() {
        return () ->
                examine(() -> {
                    List<String> open = unfinished.get();
                    return open.isEmpty()
                            ? Health.up()
                            : Health.down().withDetail("unfinished", open);
                });
    }
}
