package dev.dirtymap.access;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A token made by the sub-command, with its line for the file.
public record IssuedToken(String token, String line) {

    /// Makes one.
    ///
    /// @param options as for the command, beyond the name
    public static IssuedToken of(String name, String... options) {
        List<String> arguments = new ArrayList<>(List.of("--name", name));
        arguments.addAll(Arrays.asList(options));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int exit =
                TokenCommand.run(
                        arguments,
                        new PrintStream(out, true, UTF_8),
                        new PrintStream(err, true, UTF_8));
        assertThat(exit).as(err.toString(UTF_8)).isZero();
        String told = err.toString(UTF_8).strip();
        return new IssuedToken(
                told.substring(told.lastIndexOf(' ') + 1), out.toString(UTF_8).strip());
    }

    /// The header to send, name and value.
    String[] header() {
        return new String[] {"Authorization", "Bearer " + token};
    }
}
