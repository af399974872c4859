package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ProgramResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Function;

/// `docs/runbook.md`, as far as it is meant to be typed.
///
/// @param preamble the block before the first heading, which goes before each other one
/// @param sections the blocks below each heading
record Runbook(String preamble, SequencedMap<String, List<String>> sections) {

    private static final Path FILE = Path.of("docs", "runbook.md");
    private static final String FENCE = "```";

    static Runbook read() throws IOException {
        SequencedMap<String, List<String>> sections = new LinkedHashMap<>();
        List<String> blocks = new ArrayList<>();
        sections.put("", blocks);
        StringBuilder block = null;
        for (String line : Files.readAllLines(FILE)) {
            if (block != null) {
                if (line.equals(FENCE)) {
                    blocks.add(block.toString());
                    block = null;
                } else {
                    block.append(line).append('\n');
                }
            } else if (line.contains(FENCE)) {
                assertThat(line).as("every block is to be run").isEqualTo(FENCE + "sh");
                block = new StringBuilder();
            } else if (line.startsWith("## ")) {
                blocks = new ArrayList<>();
                sections.put(line.substring("## ".length()), blocks);
            }
        }
        assertThat(block).as("a block without end").isNull();
        List<String> first = sections.remove("");
        assertThat(first).as("blocks before the first heading").hasSize(1);
        return new Runbook(first.getFirst(), sections);
    }

    /// The blocks below a heading, for a shell to run.
    Blocks section(String heading, Function<String, ProgramResult> shell) {
        return new Blocks(preamble, sections.getOrDefault(heading, List.of()).iterator(), shell);
    }
}
