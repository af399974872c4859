package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProgramsTest {

    private static final Path HERE = Path.of(".");

    @Test
    void areAllInstalled() {
        Programs.requireAll();
    }

    @Test
    void sayInOneSentenceWhichOneIsMissing() {
        assertThatThrownBy(() -> Programs.run(HERE, "qemu-imaginary"))
                .hasMessage(
                        "The program qemu-imaginary is missing on PATH: run bin/verify, which installs what the tests need.");
    }

    @ParameterizedTest
    @ValueSource(strings = {"plain", "", "a b", "new\nline", "'\"\\$x`", "\u00ff\u0001", "-n"})
    void getTheirArgumentsByteForByte(String argument) {
        byte[] bytes = argument.getBytes(ISO_8859_1);
        assertThat(Command.of("printf", "%s", "\u00e9").with(bytes).run().stdoutBytes())
                .isEqualTo(("\u00c3\u00a9" + argument).getBytes(ISO_8859_1));
    }

    @Test
    void takeManyLongArguments() {
        Command command = Command.of("printf", "%.1s");
        for (int i = 0; i < 100; i++) {
            command = command.with("\u00e9".repeat(1023).getBytes(ISO_8859_1));
        }
        assertThat(command.run().stdoutBytes()).hasSize(100);
    }

    @Test
    void failWithAllThatIsKnown() {
        assertThatThrownBy(() -> Programs.run(HERE, "sh", "-c", "echo out; echo err >&2; exit 3"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContainingAll("sh -c", "exit code 3", "out", "err");
        assertThat(Programs.tryRun(HERE, "sh", "-c", "exit 3").exitCode()).isEqualTo(3);
    }

    @Test
    void areKilledWhenTheyTakeTooLong() {
        assertThatThrownBy(() ->
                        Command.of("sh", "-c", "sleep 600; true")
                                .within(Duration.ofMillis(100))
                                .run())
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("was killed after PT0.1S");
    }
}
