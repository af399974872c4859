package dev.dirtymap.qcow2;

import dev.dirtymap.testimages.Command;
import dev.dirtymap.testimages.ProgramResult;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/// The counts of `qemu-img check`, also where it ends with 1 because of check errors.
record QemuCheck(long corruptions, long leaks, long checkErrors) {

    /// Runs it in the image's folder.
    ///
    /// @return null if it gives no counts
    static @Nullable QemuCheck of(Path folder, String image) {
        ProgramResult result =
                Command.of("qemu-img", "check", "--output=json", "-f", "qcow2", image)
                        .in(folder)
                        .tryRun();
        if (result.exitCode() > 3) {
            throw new AssertionError(result.toString());
        }
        if (result.stdout().isBlank()) {
            return null;
        }
        JsonNode json = result.json();
        return new QemuCheck(
                json.path("corruptions").asLong(0),
                json.path("leaks").asLong(0),
                json.path("check-errors").asLong(0));
    }

    static QemuCheck of(Check.Report report) {
        return new QemuCheck(report.corruptions(), report.leakedClusters(), report.checkErrors());
    }
}
