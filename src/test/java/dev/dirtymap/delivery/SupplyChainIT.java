package dev.dirtymap.delivery;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The jar says what it is made of, and may be passed on.
class SupplyChainIT {

    static final Path JAR = Path.of("target", "dirtymap.jar");

    private static final String BILL = "META-INF/sbom/application.cdx.json";

    /// Whoever passes the jar on has to do no more than to keep the notices. Of several licences one is chosen.
    private static final Set<String> PERMISSIVE =
            Set.of("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "EPL-2.0");

    /// Spring Boot adds it to every jar, to unpack it; it has the licence of all others from there.
    private static final String UNPACKER = "spring-boot-jarmode-tools-";

    /// A part of the jar.
    private record Component(String file, Set<String> licences) {

        static Component of(JsonNode node) {
            Set<String> licences =
                    node.path("licenses")
                            .valueStream()
                            .map(entry -> entry.path("license"))
                            .map(licence -> licence.path("id").asString("no SPDX id"))
                            .collect(Collectors.toSet());
            String version = node.path("version").asString();
            return new Component(node.path("name").asString() + "-" + version + ".jar", licences);
        }
    }

    @Test
    void theBillListsEveryJar() throws IOException {
        Set<String> listed = components().stream().map(Component::file).collect(Collectors.toSet());
        try (JarFile jar = new JarFile(JAR.toFile())) {
            List<String> libraries =
                    jar.stream()
                            .map(ZipEntry::getName)
                            .filter(name -> name.matches("BOOT-INF/lib/.+"))
                            .map(name -> name.substring("BOOT-INF/lib/".length()))
                            .filter(name -> !name.startsWith(UNPACKER))
                            .toList();
            assertThat(libraries).hasSizeGreaterThan(40);
            assertThat(listed).containsAll(libraries);
        }
    }

    @Test
    void everyLicenceIsKnownAndPermissive() throws IOException {
        for (Component component : components()) {
            assertThat(component.licences())
                    .as("licences of %s, one of which must be in %s", component.file(), PERMISSIVE)
                    .containsAnyElementsOf(PERMISSIVE);
        }
    }

    private static List<Component> components() throws IOException {
        try (JarFile jar = new JarFile(JAR.toFile())) {
            ZipEntry entry = jar.getEntry(BILL);
            assertThat(entry)
                    .as("%s in the jar: it is only made where Maven is online", BILL)
                    .isNotNull();
            try (InputStream in = jar.getInputStream(entry)) {
                return JsonMapper.shared()
                        .readTree(in)
                        .path("components")
                        .valueStream()
                        .map(Component::of)
                        .toList();
            }
        }
    }
}
