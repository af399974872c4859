package dev.dirtymap.bench;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/// Many clients that each send one request after the other over a connection of their own.
///
/// @param seconds for how long they did
/// @param nanos how long each success took, ascending
/// @param refused answers other than 200
/// @param broken connections that failed
/// @param failure of the first of those; empty if there is none
record Load(double seconds, long[] nanos, long refused, long broken, String failure) {

    /// Lets them run.
    ///
    /// @param path of the next request
    static Load run(int port, int clients, Duration duration, Function<Random, String> path)
            throws InterruptedException {
        long start = System.nanoTime();
        long end = start + duration.toNanos();
        List<Client> all = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < clients; i++) {
            var client = new Client(port, end, path, new Random(i));
            all.add(client);
            threads.add(Thread.ofPlatform().daemon().start(client::run));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        long[] nanos = all.stream().flatMapToLong(Client::nanos).sorted().toArray();
        return new Load(
                seconds,
                nanos,
                all.stream().mapToLong(client -> client.refused).sum(),
                all.stream().mapToLong(client -> client.broken).sum(),
                all.stream()
                        .map(client -> client.failure)
                        .filter(f -> !f.isEmpty())
                        .findFirst()
                        .orElse(""));
    }

    private static final class Client {

        private final int port;
        private final long end;
        private final Function<Random, String> path;
        private final Random random;
        private long[] nanos = new long[1024];
        private int count;
        private long refused;
        private long broken;
        private String failure = "";

        Client(int port, long end, Function<Random, String> path, Random random) {
            this.port = port;
            this.end = end;
            this.path = path;
            this.random = random;
        }

        void run() {
            while (System.nanoTime() - end < 0) {
                try (var connection = new Connection(port)) {
                    while (System.nanoTime() - end < 0) {
                        request(connection);
                    }
                } catch (IOException | RuntimeException e) {
                    broken++;
                    failure = failure.isEmpty() ? e.toString() : failure;
                }
            }
        }

        private void request(Connection connection) throws IOException {
            String next = path.apply(random);
            long start = System.nanoTime();
            int status = connection.get(next).status();
            if (status != 200) {
                refused++;
                failure = failure.isEmpty() ? "status " + status : failure;
                return;
            }
            if (count == nanos.length) {
                nanos = Arrays.copyOf(nanos, 2 * count);
            }
            nanos[count++] = System.nanoTime() - start;
        }

        java.util.stream.LongStream nanos() {
            return Arrays.stream(nanos, 0, count);
        }
    }

    double perSecond() {
        return nanos.length / seconds;
    }

    long errors() {
        return refused + broken;
    }

    /// @param part as in 0.99
    double millis(double part) {
        return nanos.length == 0
                ? Double.NaN
                : nanos[(int) Math.min(nanos.length - 1L, (long) (part * nanos.length))] / 1e6;
    }

    @Override
    public String toString() {
        return "%,.0f requests/s; p50 %s ms, p99 %s ms, p99.9 %s ms, longest %s ms; %d errors%s"
                .formatted(
                        perSecond(),
                        Runs.digits(millis(0.5)),
                        Runs.digits(millis(0.99)),
                        Runs.digits(millis(0.999)),
                        Runs.digits(millis(1)),
                        errors(),
                        failure.isEmpty() ? "" : " (" + failure + ")");
    }
}
