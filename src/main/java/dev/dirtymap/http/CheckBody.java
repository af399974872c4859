package dev.dirtymap.http;

import dev.dirtymap.qcow2.Check;
import dev.dirtymap.qcow2.Finding;
import io.swagger.v3.oas.annotations.media.Schema;
import java.util.List;

/// What a check found, as it goes over the wire.
@Schema(
        name = "CheckReport",
        description = "What a check found. The counts are those of qemu-img check.",
        requiredProperties = {
            "consistent",
            "complete",
            "errors",
            "omittedErrors",
            "corruptions",
            "leakedClusters",
            "checkErrors",
            "checkedClusters"
        })
record CheckBody(
        @Schema(description = "Whether nothing at all is wrong.") boolean consistent,
        @Schema(
                        description =
                                "Whether every structure could be followed. If not, what looks leaked may be in"
                                        + " use.")
                boolean complete,
        @Schema(
                        description =
                                "At most 1000 findings, leaks included; neighbouring clusters with the same"
                                        + " counts are one.")
                List<FindingBody> errors,
        @Schema(description = "How many more findings there were.") long omittedErrors,
        @Schema(description = "Clusters with too low a refcount and wrong fields, as QEMU counts.")
                long corruptions,
        @Schema(description = "Clusters with too high a refcount.") long leakedClusters,
        @Schema(description = "Clusters whose refcount cannot be read.") long checkErrors,
        @Schema(description = "Clusters whose refcounts were compared.") long checkedClusters) {

    /// One thing that is wrong.
    @Schema(
            name = "Finding",
            description = "One thing that is wrong with an image.",
            requiredProperties = {"structure", "offset", "message", "fatal", "repair"})
    record FindingBody(
            @Schema(description = "Where, as people write it.") String structure,
            @Schema(
                            description =
                                    "Byte in the file: of the field, or of the first cluster that is counted"
                                            + " wrongly.")
                    long offset,
            @Schema(description = "The value, and what was expected.") String message,
            @Schema(description = "Whether QEMU would not open the image because of it.")
                    boolean fatal,
            @Schema(description = "Which repair removes it: LEAKS, BITMAPS, or NONE of ours.")
                    Finding.Repair repair) {

        static FindingBody of(Finding finding) {
            return new FindingBody(
                    finding.structure(),
                    finding.offset(),
                    finding.message(),
                    finding.fatal(),
                    finding.repair());
        }
    }

    static CheckBody of(Check.Report report) {
        return new CheckBody(
                report.consistent(),
                report.complete(),
                report.errors().stream().map(FindingBody::of).toList(),
                report.omittedErrors(),
                report.corruptions(),
                report.leakedClusters(),
                report.checkErrors(),
                report.checkedClusters());
    }
}
