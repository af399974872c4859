package dev.dirtymap.bench;

import java.io.IOException;
import java.io.InputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/// A program run to its end, as a user waits for it: with its start, and with its output thrown away.
///
/// @param seconds from start to end
/// @param peakBytes the most memory that was seen; programs that end within 50 ms are not looked at
record Program(double seconds, long peakBytes) {

    private static final long GLANCE_MILLIS = 50;

    /// What is made of a program's output.
    @FunctionalInterface
    interface Reader<T> {
        T read(InputStream output) throws IOException;
    }

    /// Runs it in a folder.
    static Program run(Path folder, String... words) throws IOException, InterruptedException {
        ProcessBuilder builder =
                builder(folder, words)
                        .redirectOutput(Redirect.DISCARD)
                        .redirectError(Redirect.INHERIT);
        long start = System.nanoTime();
        Process process = builder.start();
        long peak = 0;
        while (!process.waitFor(GLANCE_MILLIS, TimeUnit.MILLISECONDS)) {
            peak = Math.max(peak, peakOf(process));
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        requireSuccess(process, words);
        return new Program(seconds, peak);
    }

    private static long peakOf(Process process) {
        try {
            return Memory.of(process.pid(), "VmHWM:");
        } catch (IOException e) {
            // It has just ended.
            return 0;
        }
    }

    /// Runs it and reads what it prints.
    static <T> T read(Reader<T> reader, Path folder, String... words)
            throws IOException, InterruptedException {
        Process process = builder(folder, words).redirectError(Redirect.INHERIT).start();
        T result;
        try (InputStream output = process.getInputStream()) {
            result = reader.read(output);
        } finally {
            process.waitFor();
        }
        requireSuccess(process, words);
        return result;
    }

    /// The first line that it prints.
    static String firstLine(String... words) throws IOException, InterruptedException {
        return read(
                output ->
                        new String(output.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
                                .lines()
                                .findFirst()
                                .orElse(""),
                Path.of("."),
                words);
    }

    private static ProcessBuilder builder(Path folder, String... words) {
        ProcessBuilder builder = new ProcessBuilder(words).directory(folder.toFile());
        builder.environment().put("LC_ALL", "C.UTF-8");
        return builder;
    }

    private static void requireSuccess(Process process, String... words) {
        if (process.exitValue() != 0) {
            throw new IllegalStateException(String.join(" ", words) + " failed");
        }
    }
}
