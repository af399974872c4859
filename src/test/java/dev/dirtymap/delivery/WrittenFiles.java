package dev.dirtymap.delivery;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Which files a traced program opened for writing, made, removed or changed. What it tried in vain does not count.
///
/// ```
/// openat2(12</srv/images>, "disk.qcow2", {flags=O_RDWR|O_CLOEXEC, resolve=RESOLVE_BENEATH}, 24) = 13</srv/images/disk.qcow2>
/// unlinkat(12</srv/images>, ".journal", 0) = 0
/// mkdir("/tmp/tomcat.0.1", 0700) = 0
/// ```
final class WrittenFiles {

    private static final Pattern OPENED = Pattern.compile("(?:open\\w*|creat)\\(.*= \\d+<(.*)>");

    private static final Pattern FOR_WRITING =
            Pattern.compile("^creat|O_(?:WRONLY|RDWR|CREAT|TRUNC|TMPFILE)");

    private static final Pattern NAMED =
            Pattern.compile("(?:(?:\\d+|AT_FDCWD)<([^>]*)>(?:, )?)?(?:\"([^\"]*)\")?");

    private WrittenFiles() {}

    /// @param traces the folder with the calls of each thread
    static Set<String> of(Path traces) throws IOException {
        Set<String> files = new TreeSet<>();
        try (Stream<Path> threads = Files.list(traces)) {
            for (Path thread : threads.toList()) {
                Files.readAllLines(thread, ISO_8859_1).forEach(call -> add(call, files));
            }
        }
        return files;
    }

    /// Adds the files of one call.
    static void add(String call, Set<String> files) {
        if (call.contains(") = -1 ") || call.endsWith(") = ?")) {
            return;
        }
        Matcher opened = OPENED.matcher(call);
        if (opened.matches()) {
            if (FOR_WRITING.matcher(call).find()) {
                files.add(opened.group(1));
            }
            return;
        }
        Matcher named = NAMED.matcher(call);
        boolean understood = false;
        while (named.find()) {
            String folder = named.group(1);
            String name = named.group(2);
            if (name != null) {
                files.add(name.startsWith("/") ? name : folder + "/" + name);
            } else if (folder != null) {
                files.add(folder);
            }
            understood |= name != null || folder != null;
        }
        if (!understood) {
            throw new AssertionError("not understood: " + call);
        }
    }
}
