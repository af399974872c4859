package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What a service asks the kernel about files by their names, and whom it connects to, as `strace -f -y` writes it
/// down: one system call a line, each descriptor with the file behind it.
///
/// ```text
/// 77 openat2(9</root>, "vm/disk", {flags=O_RDONLY|O_PATH, resolve=RESOLVE_BENEATH}, 24 <unfinished ...>
/// 78 statx(12</root/vm/disk>, "", AT_EMPTY_PATH, STATX_BASIC_STATS, {…}) = 0
/// 77 <... openat2 resumed>) = 13</root/vm/disk>
/// ```
///
/// @param file where it is written
/// @param root the folder that the service must not leave
record ServiceTrace(Path file, Path root) {

    private static final Pattern LINE = Pattern.compile("(\\d+) +(.*)");
    private static final String UNFINISHED = " <unfinished ...>";
    private static final Pattern RESUMED = Pattern.compile("<\\.\\.\\. \\w+ resumed>(.*)");

    /// What a Java runtime in a container looks up about its machine.
    private static final List<String> RUNTIME =
            List.of("/sys/fs/cgroup", "/proc/meminfo", "/proc/self/cgroup", "/proc/self/mountinfo");

    /// The program to start the service below.
    List<String> command() {
        return List.of(
                "strace",
                "-f",
                "-qq",
                "-y",
                "--seccomp-bpf",
                "-e",
                "signal=none",
                "-e",
                "trace=%file,connect,open_by_handle_at",
                "-o",
                file.toString());
    }

    /// Fails if anything between the lookups of two names was neither beneath the root nor the runtime's own.
    ///
    /// @return the names that were looked up beneath the root
    List<String> requireConfined(String first, String last) throws IOException {
        List<String> calls = calls();
        int start = indexOf(calls, first);
        int end = indexOf(calls, last);
        String inside = "\\d+<" + Pattern.quote(root.toString()) + "(/[^>]*)?>";
        Pattern beneath =
                Pattern.compile(
                        "openat2\\(%s, \"(.*)\", \\{flags=\\S+, (mode=\\d+, )?resolve=RESOLVE_NO_MAGICLINKS\\|RESOLVE_NO_SYMLINKS\\|RESOLVE_BENEATH}, 24\\) += (-1 .*|%s)"
                                .formatted(inside, inside));
        Pattern byDescriptor =
                Pattern.compile(
                        "\\w+\\(AT_FDCWD<[^>]*>, \"/proc/self/fd/\\d+\", .*\\) += " + inside);
        Pattern ofDescriptor =
                Pattern.compile("(?!open)\\w+\\(%s, \"[^/\"]*\".*".formatted(inside));
        List<String> names = new ArrayList<>();
        for (String call : calls.subList(start, end)) {
            Matcher found = beneath.matcher(call);
            if (found.matches()) {
                names.add(found.group(2));
            } else {
                assertThat(
                                byDescriptor.matcher(call).matches()
                                        || ofDescriptor.matcher(call).matches()
                                        || isRuntime(call))
                        .as(call)
                        .isTrue();
            }
        }
        return names;
    }

    private static int indexOf(List<String> calls, String name) {
        int index = 0;
        while (!calls.get(index).contains("\"" + name + "\"")) {
            index++;
        }
        return index;
    }

    private static boolean isRuntime(String call) {
        int quote = call.indexOf('"');
        if (quote < 0) {
            return call.startsWith("prctl(");
        }
        String path = call.substring(quote + 1, call.indexOf('"', quote + 1));
        if (call.startsWith("connect(") || path.contains("/../")) {
            return false;
        }
        List<String> own = new ArrayList<>(RUNTIME);
        own.add(System.getProperty("java.home"));
        own.addAll(List.of(System.getProperty("java.class.path").split(File.pathSeparator)));
        return own.stream()
                .anyMatch(prefix ->
                        path.startsWith(prefix)
                                // It resolves its own paths part by part.
                                || (call.startsWith("readlink(") && prefix.startsWith(path + "/")));
    }

    /// Whole calls, each in the place where it ended.
    private List<String> calls() throws IOException {
        List<String> calls = new ArrayList<>();
        Map<String, String> unfinished = new HashMap<>();
        for (String text : Files.readAllLines(file, ISO_8859_1)) {
            Matcher line = LINE.matcher(text);
            assertThat(line.matches()).as(text).isTrue();
            String thread = line.group(1);
            String call = line.group(2);
            Matcher resumed = RESUMED.matcher(call);
            if (call.endsWith(UNFINISHED)) {
                String begun = call.substring(0, call.length() - UNFINISHED.length());
                assertThat(unfinished.put(thread, begun)).isNull();
            } else if (resumed.matches()) {
                calls.add(unfinished.remove(thread) + resumed.group(1));
            } else if (!call.startsWith("+++")) {
                calls.add(call);
            }
        }
        return calls;
    }
}
