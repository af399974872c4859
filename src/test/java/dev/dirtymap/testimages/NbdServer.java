package dev.dirtymap.testimages;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/// A running `qemu-nbd` that has opened an image, and waits for clients.
public final class NbdServer implements AutoCloseable {

    private final SocketFolder place;
    private final Process process;

    private NbdServer(SocketFolder place, Process process) {
        this.place = place;
        this.process = process;
    }

    /// Starts one in an image's folder.
    ///
    /// @param arguments which image, and how to open it
    /// @throws AssertionError with what it says if it does not open the image
    public static NbdServer start(Path folder, String... arguments) {
        try {
            SocketFolder place = SocketFolder.create();
            Process process =
                    Command.of("qemu-nbd", "--persistent", "-k", place.socket().toString())
                            // It listens before it opens the image, and writes this when it has.
                            .with("--pid-file", place.ready().toString())
                            .with(arguments)
                            .in(folder)
                            .start(Redirect.DISCARD, Redirect.to(place.log().toFile()));
            var server = new NbdServer(place, process);
            try {
                place.connectWhenReady(process).close();
                return server;
            } catch (IOException | AssertionError e) {
                server.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Where clients find it.
    public String uri() {
        return "nbd+unix:///?socket=" + place.socket();
    }

    /// Ends it with SIGTERM, which stores all bitmaps, and waits until it is gone.
    @Override
    public void close() {
        try {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            do {
                // Again and again: it forgets a signal that comes before its main loop runs.
                process.destroy();
                if (System.nanoTime() - end > 0) {
                    throw new AssertionError("qemu-nbd does not end: " + place.logText());
                }
            } while (!process.waitFor(100, TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            end();
        }
    }

    private void end() {
        Programs.destroy(process);
        try {
            place.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
