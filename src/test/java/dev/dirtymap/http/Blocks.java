package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ProgramResult;
import java.util.Iterator;
import java.util.function.Function;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// The blocks of a section of the runbook, run one after the other, each in a shell of its own.
final class Blocks {

    /// What curl ends with when it is refused.
    private static final int REFUSED = 22;

    private final String preamble;
    private final Iterator<String> left;
    private final Function<String, ProgramResult> shell;
    private String last = "";

    Blocks(String preamble, Iterator<String> left, Function<String, ProgramResult> shell) {
        this.preamble = preamble;
        this.left = left;
        this.shell = shell;
    }

    /// The same blocks in another shell.
    Blocks in(Function<String, ProgramResult> other) {
        return new Blocks(preamble, left, other);
    }

    /// Runs the next block; what it prints.
    String run() {
        last = left.next();
        return again();
    }

    /// Runs the next block; what it prints, which is JSON.
    JsonNode json() {
        return JsonMapper.shared().readTree(run());
    }

    /// Runs the next block, whose last request must be refused; what it prints.
    String refused() {
        last = left.next();
        return run(last, REFUSED);
    }

    /// The text of the block that was run last.
    String last() {
        return last;
    }

    /// Runs the same block again.
    String again() {
        return run(last, 0);
    }

    /// Runs something that is no block.
    String line(String script) {
        return run(script, 0);
    }

    /// The same, whose last request must be refused.
    String refusedLine(String script) {
        return run(script, REFUSED);
    }

    private String run(String script, int exitCode) {
        ProgramResult result = shell.apply(preamble + script);
        assertThat(result.exitCode()).as("%s%n%s", script, result).isEqualTo(exitCode);
        return result.stdout().strip();
    }

    void requireAllRun() {
        assertThat(left).as("blocks that no test runs").isExhausted();
    }
}
