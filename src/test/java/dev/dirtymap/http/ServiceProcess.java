package dev.dirtymap.http;

import dev.dirtymap.Application;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The service in a process of its own: for what a test must not do to its own JVM (another locale or
/// working directory, a start that fails, a death).
public final class ServiceProcess implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofMinutes(3);

    /// For short lives, where a quick start is worth more than a high speed.
    private static final List<String> QUICK_START =
            List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");

    private static final Pattern READY =
            Pattern.compile("Dirtymap is ready: API https?://\\S+:(\\d+)/v1/images\\b.*");

    private final Process process;
    private final Path log;

    private ServiceProcess(Process process, Path log) {
        this.process = process;
        this.log = log;
    }

    /// Starts the service on a free port, with the heap of the tests, and does not wait for it.
    ///
    /// @param workingFolder where it starts
    /// @param environment variables to set besides the inherited ones
    /// @param properties each as in `dirtymap.root=/images`
    public static ServiceProcess start(
            Path workingFolder, Map<String, String> environment, String... properties) {
        return start(workingFolder, environment, QUICK_START, properties);
    }

    /// The same, with further arguments for the JVM.
    static ServiceProcess start(
            Path workingFolder,
            Map<String, String> environment,
            List<String> jvmArguments,
            String... properties) {
        return start(List.of(), workingFolder, environment, jvmArguments, properties);
    }

    /// The same, as the only child of another program, which ends with it.
    ///
    /// @param parent that program and its options
    static ServiceProcess startBelow(
            List<String> parent, Path workingFolder, String... properties) {
        return start(parent, workingFolder, Map.of(), QUICK_START, properties);
    }

    private static ServiceProcess start(
            List<String> parent,
            Path workingFolder,
            Map<String, String> environment,
            List<String> jvmArguments,
            String... properties) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx64m",
                                "-XX:+ExitOnOutOfMemoryError",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Application.class.getName(),
                                "--server.port=0"));
        command.addAll(1, jvmArguments);
        command.addAll(0, parent);
        for (String property : properties) {
            command.add("--" + property);
        }
        try {
            Path log = Files.createTempFile("service", ".log");
            ProcessBuilder builder =
                    new ProcessBuilder(command)
                            .directory(workingFolder.toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile());
            builder.environment().putAll(environment);
            Process process = builder.start();
            Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
            return new ServiceProcess(process, log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// A client, as soon as the service says that it is ready.
    ///
    /// @throws AssertionError with its output if it ends before
    public Client client() {
        return new Client(port());
    }

    /// The port it listens on, as soon as it says that it is ready.
    ///
    /// @throws AssertionError with its output if it ends before
    int port() {
        Matcher line = READY.matcher(readyLine());
        if (!line.matches()) {
            throw new AssertionError(line);
        }
        return Integer.parseInt(line.group(1));
    }

    /// What the service says when it is ready.
    public String readyLine() {
        Instant end = Instant.now().plus(PATIENCE);
        while (true) {
            boolean alive = process.isAlive();
            Matcher matcher = READY.matcher(log());
            if (matcher.find()) {
                return matcher.group();
            }
            if (!alive || Instant.now().isAfter(end)) {
                throw new AssertionError("the service is not ready: " + log());
            }
            pause();
        }
    }

    /// Waits until the service ends by itself.
    ///
    /// @return its exit code
    public int awaitEnd() {
        try {
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new AssertionError("the service does not end: " + log());
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /// All that it printed so far.
    public String log() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    public long pid() {
        return process.pid();
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    public void kill() {
        process.destroyForcibly();
        awaitEnd();
    }

    /// Ends it with SIGTERM, or SIGKILL if it has not ended half a minute later.
    @Override
    public void close() {
        process.children().findFirst().orElse(process.toHandle()).destroy();
        try {
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
            Files.deleteIfExists(log);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void pause() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }
}
