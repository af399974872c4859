package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;

/// One of ours that takes an image as `writer` or as `reader`: in this process, or in one of its own.
interface LockUser extends AutoCloseable {

    /// Takes the image and keeps it.
    ///
    /// @return `ok`, or who is in the way
    String hold(String as);

    /// Gives back what it holds.
    void release();

    /// Takes the image and gives it back at once; a writer changes it.
    ///
    /// @return `ok`, or who is in the way
    default String take(String as) {
        String taken = hold(as);
        release();
        return taken;
    }

    @Override
    void close();

    /// One in this process.
    final class Here implements LockUser {

        private final Images images;
        private final Id id;
        private Thread thread = Thread.ofPlatform().unstarted(() -> {});
        private CountDownLatch released = new CountDownLatch(0);

        Here(Path folder, String image) throws IOException {
            this.images = new Images(new ImagesProperties(folder, Duration.ofMillis(100)));
            this.id = Crashed.id(image);
        }

        @Override
        public String hold(String as) {
            CountDownLatch release = new CountDownLatch(1);
            CountDownLatch told = new CountDownLatch(1);
            AtomicReference<String> taken = new AtomicReference<>("failed");
            released = release;
            thread =
                    Thread.ofPlatform()
                            .start(() -> {
                                try {
                                    run(
                                            as,
                                            () -> {
                                                taken.set("ok");
                                                told.countDown();
                                                release.await();
                                            });
                                } catch (ImageLockedException e) {
                                    taken.set(name(e.holder()));
                                } catch (Exception e) {
                                    taken.set(e.toString());
                                }
                                told.countDown();
                            });
            await(told);
            return taken.get();
        }

        private interface Held {
            void here() throws InterruptedException;
        }

        private void run(String as, Held held) throws ImageException, IOException {
            boolean writer = as.equals("writer");
            images.change(
                    writer ? List.of(id) : List.of(),
                    writer ? List.of() : List.of(id),
                    locked -> {
                        byte[] bitmap = locked.view(id).image().bitmaps().get(0).name();
                        if (writer) {
                            boolean enabled = locked.view(id).image().bitmaps().get(0).enabled();
                            locked.draft(id).enable(bitmap, !enabled);
                        }
                    },
                    locked -> {
                        try {
                            held.here();
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                        return true;
                    });
        }

        private static String name(Holder holder) {
            return switch (holder) {
                case SERVICE -> "service";
                case OTHER_PROGRAM -> "program";
            };
        }

        private static void await(CountDownLatch latch) {
            try {
                latch.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public void release() {
            released.countDown();
            try {
                thread.join();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public void close() {
            release();
            images.destroy();
        }
    }

    /// One in a JVM of its own, told what to do line by line.
    final class Elsewhere implements LockUser {

        private final Process process;
        private final BufferedWriter orders;
        private final BufferedReader answers;

        Elsewhere(Path folder, String image) throws IOException {
            process =
                    new ProcessBuilder(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-Xmx64m",
                                    "--enable-native-access=ALL-UNNAMED",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    Elsewhere.class.getName(),
                                    folder.toString(),
                                    image)
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start();
            orders = process.outputWriter(StandardCharsets.UTF_8);
            answers = process.inputReader(StandardCharsets.UTF_8);
        }

        /// What the other process does.
        public static void main(String[] arguments) throws IOException {
            var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            try (LockUser user = new Here(Path.of(arguments[0]), arguments[1])) {
                for (String order = in.readLine(); order != null; order = in.readLine()) {
                    if (order.equals("release")) {
                        user.release();
                        System.out.println("-> released");
                    } else {
                        System.out.println("-> " + user.hold(order));
                    }
                }
            }
        }

        private String order(String order) {
            try {
                orders.write(order + "\n");
                orders.flush();
                // The log comes the same way.
                for (String line = answers.readLine(); line != null; line = answers.readLine()) {
                    if (line.startsWith("-> ")) {
                        return line.substring(3);
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            throw new AssertionError("the other process ended");
        }

        @Override
        public String hold(String as) {
            return order(as);
        }

        @Override
        public void release() {
            order("release");
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }
}
