package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/// Spectral finds nothing to say about the contract, its examples included.
class SpectralTest {

    private static final Path SPECTRAL = Path.of("openapi/node_modules/.bin/spectral");

    @Test
    void theContractHasNoFindings() {
        assertThat(Files.isExecutable(SPECTRAL))
                .as(
                        "Spectral is not installed: run bin/verify, which installs what the tests need.")
                .isTrue();
        ProgramResult result =
                Programs.tryRun(
                        Path.of("").toAbsolutePath(),
                        "node",
                        SPECTRAL.toString(),
                        "lint",
                        "--fail-severity=hint",
                        "-r",
                        "openapi/.spectral.yaml",
                        Contract.FILE.toString());
        assertThat(result.exitCode()).as("%s", result).isZero();
    }
}
