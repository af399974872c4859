package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.web.servlet.HandlerMapping;

class WorkPlacesTest {

    @Test
    void whoFindsTooFewIsToldToComeAgain() {
        WorkPlaces places = new WorkPlaces(640 << 10);
        places.take(4, true);
        places.take(6, true);
        assertThatThrownBy(() -> places.take(1, true))
                .isInstanceOf(ProblemException.class)
                .hasMessage("as many requests as fit into the memory are at work");
        places.release(4);
        places.take(4, true);
        assertThatThrownBy(() -> places.take(1, false)).isInstanceOf(ProblemException.class);
    }

    @Test
    void whoMayWaitIsLetInLater() throws InterruptedException {
        WorkPlaces places = new WorkPlaces(640 << 10);
        places.take(10, true);
        Thread other =
                Thread.startVirtualThread(() -> {
                    LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(1));
                    places.release(4);
                });
        assertThatThrownBy(() -> places.take(1, false)).isInstanceOf(ProblemException.class);
        places.take(1, true);
        other.join();
    }

    @ParameterizedTest
    @CsvSource({
        "GET, /v1/images, 0, application/json, 262144",
        "GET, /v1/images/{image}/bitmaps/{bitmap}/extents, 0, application/json, 262144",
        "GET, /v1/images/{image}/bitmaps/{bitmap}/extents, 0, text/csv, 0",
        "POST, /v1/images/{image}/check, 2, application/json, 8388608",
        "POST, /v1/images/{image}/transactions, 1000, application/json, 266144",
        "POST, /v1/images/{image}/transactions, 99999999, application/json, 17039360",
        "PUT, /v1/images/{image}/bitmaps/{bitmap}/bits, 99999999, application/json, 262144"
    })
    void aRequestTakesWhatItMayHold(
            String method, String route, int length, String accept, long bytes) {
        MockHttpServletRequest sized =
                new MockHttpServletRequest(method, "/v1/images/a/bitmaps/check") {
                    @Override
                    public long getContentLengthLong() {
                        return length;
                    }
                };
        sized.setAttribute(HandlerMapping.BEST_MATCHING_PATTERN_ATTRIBUTE, route);
        sized.addHeader("Accept", accept);
        assertThat(WorkPlaces.bytes(sized)).isEqualTo(bytes);
    }

    @Test
    void aLongPageTakesMore() {
        MockHttpServletRequest request =
                new MockHttpServletRequest("GET", "/v1/images/a/bitmaps/b/extents");
        request.setAttribute(
                HandlerMapping.BEST_MATCHING_PATTERN_ATTRIBUTE,
                "/v1/images/{image}/bitmaps/{bitmap}/extents");
        request.setParameter("limit", "100000");
        assertThat(WorkPlaces.bytes(request)).isEqualTo((256 << 10) + 3_200_000);
    }
}
