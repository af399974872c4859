package dev.dirtymap.posix;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.opentest4j.AssertionFailedError;

/// Another program beside the test: it runs until its input ends, and never longer than the test.
/// Its standard error comes with its output.
final class ChildProcess implements AutoCloseable {

    private static final long DEADLINE_SECONDS = 30;

    private final Process process;
    private final BufferedReader output;

    private ChildProcess(ProcessBuilder builder) {
        try {
            process = builder.redirectErrorStream(true).start();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
        output = process.inputReader(StandardCharsets.UTF_8);
    }

    record Result(int exitCode, String output) {}

    static ChildProcess start(String... command) {
        return new ChildProcess(new ProcessBuilder(command));
    }

    /// A JVM like this one that runs `main`.
    static ChildProcess startJava(Class<?> main, String... arguments) {
        return new ChildProcess(new ProcessBuilder(javaCommand(main, arguments)));
    }

    /// Runs a program to its end and gives its output; an exit code other than 0 fails the test.
    static String run(String... command) {
        return succeeded(tryRun(command));
    }

    static Result tryRun(String... command) {
        try (ChildProcess child = start(command)) {
            return child.finish();
        }
    }

    static String runJava(Map<String, String> environment, Class<?> main, String... arguments) {
        ProcessBuilder builder = new ProcessBuilder(javaCommand(main, arguments));
        builder.environment().putAll(environment);
        try (ChildProcess child = new ChildProcess(builder)) {
            return succeeded(child.finish());
        }
    }

    static List<String> javaCommand(Class<?> main, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx32m");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        return command;
    }

    /// The next line of its output.
    String readLine() {
        try {
            String line = output.readLine();
            if (line == null) {
                throw new AssertionFailedError("the program ended without another line");
            }
            return line;
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /// Ends its input and waits for its end.
    Result finish() {
        try {
            process.getOutputStream().close();
            String text = output.readAllAsString();
            if (!process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionFailedError("still running, its output so far: " + text);
            }
            return new Result(process.exitValue(), text);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new AssertionFailedError("interrupted", interrupted);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
        try {
            process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS);
            output.close();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static String succeeded(Result result) {
        if (result.exitCode() != 0) {
            throw new AssertionFailedError(
                    "exit code " + result.exitCode() + ": " + result.output());
        }
        return result.output();
    }
}
