package dev.dirtymap.access;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.actuate.endpoint.SecurityContext;
import org.springframework.boot.health.actuate.endpoint.AdditionalHealthEndpointPath;
import org.springframework.boot.health.actuate.endpoint.HealthEndpointGroup;
import org.springframework.boot.health.actuate.endpoint.HealthEndpointGroups;
import org.springframework.boot.health.actuate.endpoint.HealthEndpointGroupsPostProcessor;
import org.springframework.boot.health.actuate.endpoint.HttpCodeStatusMapper;
import org.springframework.boot.health.actuate.endpoint.StatusAggregator;
import org.springframework.stereotype.Component;

/// Shows what health is made of to those who may see all images, since it may name any. All others see whether the
/// service is up.
@Component
class HealthDetails implements HealthEndpointGroupsPostProcessor {

    private final Callers callers;

    HealthDetails(Callers callers) {
        this.callers = callers;
    }

    @Override
    public HealthEndpointGroups postProcessHealthEndpointGroups(HealthEndpointGroups groups) {
        Map<String, HealthEndpointGroup> named = new LinkedHashMap<>();
        for (String name : groups.getNames()) {
            HealthEndpointGroup group = groups.get(name);
            if (group != null) {
                named.put(name, new Guarded(group, callers));
            }
        }
        return HealthEndpointGroups.of(new Guarded(groups.getPrimary(), callers), named);
    }

    private record Guarded(HealthEndpointGroup group, Callers callers)
            implements HealthEndpointGroup {

        @Override
        public boolean showComponents(SecurityContext context) {
            return callers.seesAll() && group.showComponents(context);
        }

        @Override
        public boolean showDetails(SecurityContext context) {
            return callers.seesAll() && group.showDetails(context);
        }

        @Override
        public boolean isMember(String name) {
            return group.isMember(name);
        }

        @Override
        public StatusAggregator getStatusAggregator() {
            return group.getStatusAggregator();
        }

        @Override
        public HttpCodeStatusMapper getHttpCodeStatusMapper() {
            return group.getHttpCodeStatusMapper();
        }

        @Override
        public @Nullable AdditionalHealthEndpointPath getAdditionalPath() {
            return group.getAdditionalPath();
        }
    }
}
