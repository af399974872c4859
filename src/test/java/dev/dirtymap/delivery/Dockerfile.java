package dev.dirtymap.delivery;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/// What the `Dockerfile` says.
final class Dockerfile {

    private static final String TEXT = read();

    private Dockerfile() {}

    /// Of the runtime.
    static String modules() {
        return group("(?m)^ARG MODULES=(\\S+)$");
    }

    /// The words that start the service.
    static List<String> entrypoint() {
        return JsonMapper.shared()
                .readValue(group("(?m)^ENTRYPOINT (\\[.*])$"), new TypeReference<>() {});
    }

    static int user() {
        return Integer.parseInt(group("(?m)^USER (\\d+):\\d+$"));
    }

    static int port() {
        return Integer.parseInt(group("(?m)^EXPOSE (\\d+)$"));
    }

    static String volume() {
        return group("(?m)^VOLUME (\\S+)$");
    }

    /// The value of an environment variable.
    static String environment(String name) {
        return group("(?m)^(?:ENV| {3}) " + name + "=(\\S+)");
    }

    private static String group(String pattern) {
        List<MatchResult> found = Pattern.compile(pattern).matcher(TEXT).results().toList();
        if (found.size() != 1) {
            throw new AssertionError(
                    "the Dockerfile has %d of %s".formatted(found.size(), pattern));
        }
        return found.getFirst().group(1);
    }

    private static String read() {
        try {
            return Files.readString(Path.of("Dockerfile"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
