package dev.dirtymap.http;

import io.micrometer.common.KeyValue;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationFilter;
import org.springframework.http.server.observation.ServerRequestObservationContext;
import org.springframework.stereotype.Component;

/// Says in the trace of a request which `X-Request-Id` it has.
@Component
class RequestIdInTraces implements ObservationFilter {

    @Override
    public Observation.Context map(Observation.Context context) {
        if (context instanceof ServerRequestObservationContext request
                && request.getCarrier() != null
                && request.getCarrier().getAttribute(RequestIdFilter.HEADER) instanceof String id) {
            context.addHighCardinalityKeyValue(KeyValue.of("request.id", id));
        }
        return context;
    }
}
