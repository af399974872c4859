package dev.dirtymap.delivery;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The unpacked service as a user without rights, every file that it opens or changes being written down. Started by
/// root it becomes the image's user; started by anybody else it stays what it is.
final class TracedService implements AutoCloseable {

    private static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(3);

    private static final Pattern READY = Pattern.compile("is ready: API http://\\S+:(\\d+)/v1");

    /// Those that open or change a file by its name. A `?` where not every machine has it.
    private static final String CALLS =
            "?open,openat,?openat2,?creat,?mkdir,mkdirat,?mknod,mknodat,?unlink,unlinkat,?rmdir,?rename,?renameat,"
                    + "renameat2,?link,linkat,?symlink,symlinkat,truncate,?chmod,fchmod,fchmodat,?fchmodat2,?chown,"
                    + "?lchown,fchown,fchownat,?utime,?utimes,utimensat,setxattr,fsetxattr,removexattr";

    private final Process strace;
    private final Path log;

    private TracedService(Process strace, Path log) {
        this.strace = strace;
        this.log = log;
    }

    /// @param command that starts the service
    /// @param group besides which the user has none
    /// @param environment all of it
    /// @param traces an empty folder, where each thread gets a file of its calls
    static TracedService start(
            List<String> command, int group, Map<String, String> environment, Path traces)
            throws IOException {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                "strace",
                                "--seccomp-bpf",
                                "-ff",
                                "-y",
                                "-qq",
                                "-s",
                                "4096",
                                "-e",
                                "signal=none",
                                "-e",
                                "trace=" + CALLS,
                                "-o",
                                traces.resolve("calls").toString(),
                                "setpriv",
                                "--no-new-privs"));
        if (isRoot()) {
            words.addAll(List.of("--reuid", String.valueOf(Dockerfile.user())));
            words.addAll(List.of("--regid", String.valueOf(group), "--clear-groups"));
            words.addAll(List.of("--bounding-set=-all", "--inh-caps=-all"));
        }
        words.addAll(command);
        Path log = traces.resolveSibling("service.log");
        ProcessBuilder builder =
                new ProcessBuilder(words)
                        .redirectErrorStream(true)
                        .redirectOutput(Redirect.to(log.toFile()));
        builder.environment().keySet().retainAll(List.of("PATH"));
        builder.environment().putAll(environment);
        TracedService service = new TracedService(builder.start(), log);
        // strace ends with what it traces.
        Runtime.getRuntime().addShutdownHook(new Thread(service::killAll));
        return service;
    }

    static boolean isRoot() {
        try {
            return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// The port it listens on, as soon as it says that it is ready.
    int port() throws InterruptedException {
        long start = System.nanoTime();
        while (true) {
            boolean alive = strace.isAlive();
            Matcher ready = READY.matcher(log());
            if (ready.find()) {
                return Integer.parseInt(ready.group(1));
            }
            if (!alive || System.nanoTime() - start > PATIENCE_NANOS) {
                throw new AssertionError("the service is not ready: " + log());
            }
            Thread.sleep(20);
        }
    }

    String log() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// What the kernel says of its rights, as in `CapEff`.
    Map<String, String> status() throws IOException {
        Map<String, String> status = new HashMap<>();
        for (String line :
                Files.readAllLines(Path.of("/proc/%d/status".formatted(service().pid())))) {
            int colon = line.indexOf(':');
            status.put(line.substring(0, colon), line.substring(colon + 1).strip());
        }
        return status;
    }

    /// Ends it with SIGTERM.
    ///
    /// @return its exit code
    int stop() throws InterruptedException {
        service().destroy();
        if (!strace.waitFor(60, TimeUnit.SECONDS)) {
            throw new AssertionError("the service does not end: " + log());
        }
        return strace.exitValue();
    }

    private ProcessHandle service() {
        return strace.children()
                .findFirst()
                .orElseThrow(() -> new AssertionError("the service has ended: " + log()));
    }

    private void killAll() {
        strace.descendants().forEach(ProcessHandle::destroyForcibly);
        strace.destroyForcibly();
    }

    @Override
    public void close() {
        killAll();
        try {
            strace.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
