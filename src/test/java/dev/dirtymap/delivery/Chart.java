package dev.dirtymap.delivery;

import com.marcnuri.helm.Helm;
import com.marcnuri.helm.LintResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.yaml.snakeyaml.Yaml;

/// The chart, with the values that somebody gives it.
///
/// @param values YAML, beside the chart's own
/// @param folder for files
record Chart(String values, Path folder) {

    static final Path SOURCE = Path.of("helm");

    /// What an installation sends to Kubernetes.
    ///
    /// @throws IllegalStateException with Helm's words if it refuses the values
    String render() throws IOException {
        Path file = Files.writeString(folder.resolve("given.yaml"), values);
        return new Helm(SOURCE)
                .template()
                .withName("backup")
                .withNamespace("storage")
                .withKubeVersion("1.34.0")
                .withValuesFile(file)
                .call();
    }

    KubernetesObjects objects() throws IOException {
        return KubernetesObjects.parse(render());
    }

    /// Lints a copy of the chart whose own values are these: Helm's Java binding lints with no others.
    LintResult lint() throws IOException {
        Path copy = folder.resolve("dirtymap");
        try (Stream<Path> files = Files.walk(SOURCE)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(SOURCE.relativize(file)));
            }
        }
        Yaml yaml = new Yaml();
        Map<String, Object> all = yaml.load(Files.readString(SOURCE.resolve("values.yaml")));
        Map<String, Object> given = yaml.load(values);
        Files.writeString(
                copy.resolve("values.yaml"), yaml.dump(given == null ? all : merged(all, given)));
        return new Helm(copy).lint().strict().call();
    }

    private static Map<String, Object> merged(Map<?, ?> all, Map<?, ?> given) {
        Map<String, Object> result = new LinkedHashMap<>();
        all.forEach((name, value) -> result.put(String.valueOf(name), value));
        given.forEach((name, value) ->
                result.merge(
                        String.valueOf(name),
                        value,
                        (old, now) ->
                                old instanceof Map<?, ?> a && now instanceof Map<?, ?> b
                                        ? merged(a, b)
                                        : now));
        return result;
    }
}
