package dev.dirtymap.access;

import org.springframework.boot.health.contributor.AbstractHealthIndicator;
import org.springframework.boot.health.contributor.Health;

/// Down while the file of tokens is broken, and older tokens are in use. No part of liveness or readiness.
class TokensHealthIndicator extends AbstractHealthIndicator {

    private final TokenFile tokens;

    TokensHealthIndicator(TokenFile tokens) {
        this.tokens = tokens;
    }

    @Override
    protected void doHealthCheck(Health.Builder builder) {
        String wrong = tokens.wrong();
        if (wrong == null) {
            builder.up();
        } else {
            builder.down().withDetail("reason", wrong);
        }
    }
}
