package dev.dirtymap.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// On what was measured: nothing that names this one machine.
final class Machine {

    private Machine() {}

    /// A Markdown list.
    static String markdown(Path folder) throws IOException, InterruptedException {
        var start = new Runs();
        for (int i = 0; i < 9; i++) {
            start.add(Program.run(folder, "nbdinfo", "--version").seconds());
        }
        return """
        - CPU: %s, %d cores; memory: %d GiB; file system: %s; Linux %s
        - java %s; %s; %s; %s
        - Starting a program takes %s here: that is in the times of `nbdinfo` and `qemu-img`, which are those
          of the whole process, and not in ours, which `curl` or a kept-alive connection tells
        """
                .formatted(
                        value("/proc/cpuinfo", "model name"),
                        Runtime.getRuntime().availableProcessors(),
                        Math.round(
                                Long.parseLong(
                                                value("/proc/meminfo", "MemTotal")
                                                        .replaceAll("\\D", ""))
                                        / 1048576.0),
                        Files.getFileStore(folder).type(),
                        System.getProperty("os.version")
                                .replaceFirst("^(\\d+\\.\\d+(\\.\\d+)?).*", "$1"),
                        Runtime.version(),
                        Program.firstLine("qemu-img", "--version"),
                        Program.firstLine("nbdinfo", "--version"),
                        Program.firstLine("curl", "--version").replaceFirst(" \\(.*", ""),
                        start);
    }

    private static String value(String file, String name) throws IOException {
        for (String line : Files.readAllLines(Path.of(file))) {
            if (line.startsWith(name)) {
                return line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return "unknown";
    }
}
