package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// A disk that does not answer holds one thread, and nobody who asks.
class PatientLookTest {

    private final CountDownLatch answers = new CountDownLatch(1);
    private final AtomicInteger looks = new AtomicInteger();

    @Test
    void givesUpOnWhatDoesNotAnswerAndLooksOnceForAll() throws Exception {
        PatientLook<Integer> look =
                new PatientLook<>(
                        "the folder /images",
                        () -> {
                            answers.await();
                            return looks.incrementAndGet();
                        },
                        30);
        for (int i = 0; i < 3; i++) {
            assertThatIOException()
                    .isThrownBy(look::get)
                    .withMessage("the folder /images has not answered for 30 ms");
        }
        assertThat(
                        Thread.getAllStackTraces().keySet().stream()
                                .filter(thread -> thread.getName().equals("look")))
                .hasSize(1);
        answers.countDown();
        // The one that was waited for, or the next, if that one is done by now.
        assertThat(firstAnswer(look)).isBetween(1, 2);
    }

    private static int firstAnswer(PatientLook<Integer> look) throws InterruptedException {
        while (true) {
            try {
                return look.get();
            } catch (IOException notYet) {
                // Once more.
            }
        }
    }

    @Test
    void tellsWhatWentWrong() {
        PatientLook<Integer> look =
                new PatientLook<>(
                        "",
                        () -> {
                            throw new IOException("stale");
                        },
                        30_000);
        assertThatIOException().isThrownBy(look::get).withMessage("stale");
    }
}
