package dev.dirtymap;

import org.jspecify.annotations.Nullable;
import org.springframework.boot.autoconfigure.AutoConfigurationImportFilter;
import org.springframework.boot.autoconfigure.AutoConfigurationMetadata;
import org.springframework.context.EnvironmentAware;
import org.springframework.core.env.Environment;

/// Leaves everything about traces out where no collector is configured: without one they would cost time in each
/// request and be thrown away.
class TracingCondition implements AutoConfigurationImportFilter, EnvironmentAware {

    /// Set by `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, too.
    private static final String ENDPOINT = "management.opentelemetry.tracing.export.otlp.endpoint";

    private boolean wanted;

    @Override
    public void setEnvironment(Environment environment) {
        this.wanted = !environment.getProperty(ENDPOINT, "").isEmpty();
    }

    @Override
    public boolean[] match(
            @Nullable String[] autoConfigurations, AutoConfigurationMetadata metadata) {
        boolean[] kept = new boolean[autoConfigurations.length];
        for (int i = 0; i < kept.length; i++) {
            String name = autoConfigurations[i];
            kept[i] =
                    wanted
                            || name == null
                            || !(name.startsWith("org.springframework.boot.micrometer.tracing.")
                                    || name.startsWith("org.springframework.boot.opentelemetry."));
        }
        return kept;
    }
}
