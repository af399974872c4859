package dev.dirtymap.testimages;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;

/// The regular files below the temporary folder that this process has open, with the locks that it holds on them.
///
/// Read from the kernel's own books (`/proc/self/fd` and `fdinfo`), so it sees also what was opened by system calls
/// that the JDK knows nothing of. A POSIX or OFD lock cannot outlive its descriptor, hence a leaked lock is always
/// listed with the descriptor that holds it.
///
/// Left out, in case they are below the temporary folder too: jars, which class loaders open when they like and keep,
/// and what is in the working directory, where the build writes its reports.
///
/// @param entries each as in `12 -> /tmp/x/disk.qcow2` or `12 -> /tmp/x/disk.qcow2 lock: OFDLCK ADVISORY READ 201 201`
record OpenFiles(Set<String> entries) {

    private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

    OpenFiles {
        entries = Set.copyOf(entries);
    }

    static OpenFiles now() {
        return below(Path.of(System.getProperty("java.io.tmpdir")));
    }

    static OpenFiles below(Path folder) {
        Set<String> entries = new TreeSet<>();
        try {
            Path watched = folder.toRealPath();
            Path here = Path.of("").toRealPath();
            String build = here.startsWith(watched) ? here + "/" : "\0";
            try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(DESCRIPTORS)) {
                for (Path descriptor : descriptors) {
                    describe(descriptor, watched + "/", build, entries);
                }
            } catch (DirectoryIteratorException e) {
                throw e.getCause();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new OpenFiles(entries);
    }

    private static void describe(
            Path descriptor, String watched, String build, Set<String> entries) {
        try {
            String target = Files.readSymbolicLink(descriptor).toString();
            // A file that was deleted while open is still a leak; it has no path to be examined by,
            // only the link.
            if (!target.startsWith(watched)
                    || target.startsWith(build)
                    || target.endsWith(".jar")
                    || !Files.isRegularFile(descriptor)) {
                return;
            }
            String name = descriptor.getFileName() + " -> " + target;
            entries.add(name);
            Path info =
                    Path.of("/proc/self/fdinfo").resolve(String.valueOf(descriptor.getFileName()));
            for (String line : Files.readAllLines(info)) {
                if (line.startsWith("lock:")) {
                    entries.add(name + " " + line.replaceAll("\\s+", " "));
                }
            }
        } catch (IOException e) {
            // The descriptor was closed since the folder was listed, which is what we hope for.
        }
    }

    /// What is open now and was not before.
    Set<String> since(OpenFiles before) {
        Set<String> added = new TreeSet<>(entries);
        added.removeAll(before.entries);
        return added;
    }

    /// Waits for files to be closed, since servers and virtual threads close them after their client has its answer.
    ///
    /// @return what is still open after the given time and was not before
    static Set<String> leakedSince(OpenFiles before, Duration patience) {
        Instant end = Instant.now().plus(patience);
        Set<String> leaked = now().since(before);
        while (!leaked.isEmpty() && Instant.now().isBefore(end)) {
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return leaked;
            }
            leaked = now().since(before);
        }
        return leaked;
    }
}
