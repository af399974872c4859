package dev.dirtymap.reliability;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.SmallDisk;
import dev.dirtymap.testimages.Undisturbed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// No acknowledged change is lost, whatever happens to the replicas and the disk. `docs/reliability.md` says how to run
/// it for longer.
@Undisturbed
class ReliabilityTest {

    private static final int SECONDS = Integer.getInteger("dirtymap.reliability.seconds", 180);

    /// To start, to compare everything and to check.
    private static final int MORE_SECONDS = 300;

    @TempDir private Path root;
    @TempDir private Path logs;

    /// In a process of its own, which has a small file system that nobody else sees.
    @Test
    void noAcknowledgedChangeIsLost() throws IOException, InterruptedException {
        Path log = logs.resolve("log");
        List<String> command = new ArrayList<>(SmallDisk.at(root, 256));
        command.addAll(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ReliabilityRun.class.getName(),
                        root.toString(),
                        Integer.toString(SECONDS)));
        Process run =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        try {
            assertThat(run.waitFor((long) SECONDS + MORE_SECONDS, TimeUnit.SECONDS))
                    .as("ends in time")
                    .isTrue();
        } finally {
            // Told to end, it ends its services.
            run.destroy();
            if (!run.waitFor(1, TimeUnit.MINUTES)) {
                run.destroyForcibly().waitFor();
            }
            System.out.println(Files.readString(log));
        }
        String said = Files.readString(log);
        assertThat(run.exitValue()).as(said).isZero();
        assertThat(said).contains("nothing was lost");
    }
}
