package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.UTF_8;

import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// How a program ended and what it said.
public final class ProgramResult {

    private final int exitCode;
    private final byte[] stdout;
    private final String stderr;

    ProgramResult(int exitCode, byte[] stdout, String stderr) {
        this.exitCode = exitCode;
        this.stdout = stdout;
        this.stderr = stderr;
    }

    public int exitCode() {
        return exitCode;
    }

    public byte[] stdoutBytes() {
        return stdout.clone();
    }

    public String stdout() {
        return new String(stdout, UTF_8);
    }

    /// Standard error as UTF-8; a byte that is none becomes U+FFFD.
    public String stderr() {
        return stderr;
    }

    public JsonNode json() {
        return JsonMapper.shared().readTree(stdout);
    }

    @Override
    public String toString() {
        return "exit code %d%n--- stdout%n%s%n--- stderr%n%s".formatted(exitCode, stdout(), stderr);
    }
}
