package dev.dirtymap.posix;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A child JVM that sees a file system which nobody else sees, and which goes with it.
final class PrivateMount {

    private static final List<String> NAMESPACE = List.of("unshare", "--map-root-user", "--mount");

    private PrivateMount() {}

    /// Whether this machine lets us mount anything.
    static boolean isPossible() {
        List<String> command = new ArrayList<>(NAMESPACE);
        command.addAll(List.of("mount", "-t", "tmpfs", "none", "/mnt"));
        return ChildProcess.tryRun(command.toArray(String[]::new)).exitCode() == 0;
    }

    /// Runs `script` with the absolute path `folder` as `$1`, and then `main` with it and the other
    /// arguments; the output of both.
    static String runJava(String script, Path folder, Class<?> main, String... arguments) {
        List<String> command = new ArrayList<>(NAMESPACE);
        command.addAll(
                List.of(
                        "bash",
                        "-c",
                        "set -e; cd /; export LC_ALL=C; " + script + "; shift; exec \"$@\"",
                        "bash",
                        folder.toString()));
        List<String> all = new ArrayList<>(List.of(folder.toString()));
        all.addAll(List.of(arguments));
        command.addAll(ChildProcess.javaCommand(main, all.toArray(String[]::new)));
        return ChildProcess.run(command.toArray(String[]::new));
    }
}
