package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.http.StreamPlaces.Place;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// Who may send a stream when there are more of them than places.
class StreamPlacesTest {

    private static final int COUNT = 16;
    private static final long WATCH_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /// Takes that long for each write.
    private static final class SleepyClient extends OutputStream {

        private final long millis;

        SleepyClient(long millis) {
            this.millis = millis;
        }

        @Override
        public void write(int one) {
            throw new AssertionError("written byte by byte");
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            try {
                Thread.sleep(millis);
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
    }

    @Test
    void whoFindsNoneIsToldToComeAgain() {
        StreamPlaces places = new StreamPlaces(COUNT, WATCH_NANOS);
        List<Place> taken = takeAll(places);
        assertThat(taken.stream().filter(Place::isLarge)).hasSize(COUNT / 8);
        assertThatThrownBy(places::take)
                .isInstanceOf(ProblemException.class)
                .hasMessage("16 streams are being sent already");
        taken.getLast().close();
        places.take().close();
        taken.removeLast();
        taken.forEach(Place::close);
        assertThat(takeAll(places)).hasSize(COUNT);
    }

    @Test
    void aSlowStreamStaysWhileNobodyWaits() throws IOException {
        StreamPlaces places = new StreamPlaces(COUNT, WATCH_NANOS);
        takeAll(places);
        assertThatThrownBy(places::take).isInstanceOf(ProblemException.class);
        try (Place slow = new StreamPlaces(COUNT, WATCH_NANOS).take()) {
            slow.timed(new SleepyClient(60)).write(new byte[10]);
            slow.requireStay();
        }
    }

    @Test
    void aSlowStreamGivesWayAndAQuickOneDoesNot() throws IOException {
        StreamPlaces places = new StreamPlaces(COUNT, WATCH_NANOS);
        List<Place> taken = takeAll(places);
        Place slow = taken.get(0);
        OutputStream out = slow.timed(new SleepyClient(60));
        // 16 KiB a second are 983 bytes in 60 ms.
        out.write(new byte[500]);
        slow.requireStay();
        assertThatThrownBy(places::take).isInstanceOf(ProblemException.class);
        assertThatThrownBy(slow::requireStay)
                .isInstanceOf(ProblemException.class)
                .hasMessage("others wait, and the client took less than 16384 bytes a second");

        Place quick = taken.get(1);
        quick.timed(new SleepyClient(60)).write(new byte[1 << 20]);
        quick.requireStay();

        // Whoever speeds up again may stay.
        out.write(new byte[1 << 20]);
        slow.requireStay();
    }

    private static List<Place> takeAll(StreamPlaces places) {
        List<Place> taken = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            taken.add(places.take());
        }
        return taken;
    }
}
