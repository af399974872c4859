package dev.dirtymap.testimages;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The external programs that judge us, and the processes made from them.
///
/// A missing program is an error and never a skipped test: a suite that passes because its judge is away proves
/// nothing.
public final class Programs {

    private static final List<String> NEEDED =
            List.of(
                    "qemu-img",
                    "qemu-io",
                    "qemu-nbd",
                    "qemu-storage-daemon",
                    "nbdinfo",
                    "strace",
                    "curl",
                    "jq");

    /// Processes that nobody has reaped yet; killed when the JVM ends, so that an interrupted run leaves none behind.
    private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(() -> RUNNING.forEach(Programs::destroy), "programs-end"));
    }

    private Programs() {}

    /// Runs a program in a folder.
    ///
    /// @param folder the working directory; the image's own folder, since QEMU resolves a data file relative to it
    /// @throws AssertionError with command, output and exit code if it does not end with 0 within a minute
    public static ProgramResult run(Path folder, String... words) {
        return Command.of(words).in(folder).run();
    }

    /// Like [#run(Path, String...)], but leaves the judgement of the exit code to the caller.
    public static ProgramResult tryRun(Path folder, String... words) {
        return Command.of(words).in(folder).tryRun();
    }

    /// Demands every program that the fixtures use.
    ///
    /// @throws IllegalStateException with one sentence that names a missing program
    public static void requireAll() {
        NEEDED.forEach(Programs::require);
    }

    static void require(String program) {
        for (String folder :
                System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1)) {
            if (Files.isExecutable(Path.of(folder).resolve(program))) {
                return;
            }
        }
        throw new IllegalStateException(
                "The program %s is missing on PATH: run bin/verify, which installs what the tests need."
                        .formatted(program));
    }

    static Process start(ProcessBuilder builder) throws IOException {
        Process process = builder.start();
        RUNNING.add(process);
        return process;
    }

    /// Ends a process and its children at once, and waits for its end. Does nothing if it has ended.
    static void destroy(Process process) {
        // Who has ended has no children left, and to look for them means to read all of /proc.
        if (process.isAlive()) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
        boolean interrupted = false;
        while (true) {
            try {
                process.waitFor();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        RUNNING.remove(process);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
