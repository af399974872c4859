package dev.dirtymap.reliability;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.Programs;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// No acknowledged change is lost, whatever happens to the replicas and the disk. `docs/reliability.md` says how to run
/// it for longer.
class ReliabilityTest {

    private static final int SECONDS = Integer.getInteger("dirtymap.reliability.seconds", 180);

    @TempDir private Path folder;

    /// In a process of its own, which has a small file system that nobody else sees.
    @Test
    void noAcknowledgedChangeIsLost() {
        ProgramResult result =
                Programs.tryRun(
                        folder,
                        "unshare",
                        "--map-root-user",
                        "--mount",
                        "bash",
                        "-c",
                        "set -e; mount -t tmpfs -o size=256m none \"$1\"; shift; exec \"$@\"",
                        "bash",
                        folder.toString(),
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ReliabilityRun.class.getName(),
                        folder.toString(),
                        Integer.toString(SECONDS));
        System.out.println(result.stdout());
        assertThat(result.exitCode()).as(result.toString()).isZero();
        assertThat(result.stdout()).contains("nothing was lost");
    }
}
