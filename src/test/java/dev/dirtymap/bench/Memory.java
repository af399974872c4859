package dev.dirtymap.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/// How much memory a process has, as the kernel tells it.
final class Memory {

    private Memory() {}

    /// One value of `/proc/<pid>/status`, in bytes.
    ///
    /// @param name as in `VmRSS:`
    static long of(long pid, String name) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
            if (line.startsWith(name)) {
                return Long.parseLong(line.replaceAll("\\D", "")) << 10;
            }
        }
        throw new IOException("process %d has no %s".formatted(pid, name));
    }

    static String text(long bytes) {
        return bytes < 10_000_000_000L
                ? "%d MB".formatted(bytes / 1_000_000)
                : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }
}
