package dev.dirtymap.http;

import dev.dirtymap.images.Images;
import java.util.List;
import org.springframework.boot.health.contributor.AbstractHealthIndicator;
import org.springframework.boot.health.contributor.Health;
import org.springframework.stereotype.Component;

/// Down while a transaction over several images waits for an operator. No part of liveness or readiness:
/// all other images are served as ever.
@Component
class TransactionsHealthIndicator extends AbstractHealthIndicator {

    private final Images images;

    TransactionsHealthIndicator(Images images) {
        this.images = images;
    }

    @Override
    protected void doHealthCheck(Health.Builder builder) throws Exception {
        List<String> unfinished = images.unfinishedTransactions();
        if (unfinished.isEmpty()) {
            builder.up();
        } else {
            builder.down().withDetail("unfinished", unfinished);
        }
    }
}
