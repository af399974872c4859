package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Finding.Repair;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// Holds all structures of an image against each other: whether every cluster is counted as often as it is
/// referred to, and whether every field is what the format allows.
///
/// The counts are those of `qemu-img check`. Where that gives up, this goes on: the counts then are what the
/// readable part gives, and [Report#complete] is false.
public final class Check {

    /// Clusters whose references are counted in one walk over the image: 8 MiB of counters. A larger file
    /// takes more walks, not more memory.
    private static final int CLUSTERS_A_WALK = 1 << 21;

    private static final int WINDOW = 4096;

    private final ImageFile file;
    private final Header header;
    private final HeaderExtensions extensions;
    private final Findings findings = new Findings();

    private Check(ImageFile file, Header header, HeaderExtensions extensions) {
        this.file = file;
        this.header = header;
        this.extensions = extensions;
    }

    /// What a check found.
    ///
    /// @param errors at most 1000 findings, leaks included; neighbouring clusters with the same counts are
    ///     one finding
    /// @param omittedErrors how many more there were
    /// @param corruptions what QEMU counts as such: clusters with too low a refcount, references past the end
    ///     of the file, wrong fields. What QEMU does not notice, or does not open, is an error but no
    ///     corruption
    /// @param leakedClusters clusters with too high a refcount
    /// @param checkErrors clusters whose refcount cannot be read; 1 if nothing could be checked
    /// @param checkedClusters clusters whose refcounts were compared
    /// @param complete whether every reference was found. If not, what looks leaked may well be in use, and
    ///     must not be freed
    public record Report(
            List<Finding> errors,
            long omittedErrors,
            long corruptions,
            long leakedClusters,
            long checkErrors,
            long checkedClusters,
            boolean complete) {

        /// Whether nothing at all is wrong.
        public boolean consistent() {
            return errors.isEmpty() && corruptions == 0 && leakedClusters == 0 && checkErrors == 0;
        }
    }

    /// Checks an image, which nobody may change meanwhile. Reads all of its metadata and no guest data.
    ///
    /// @throws IOException only if the file cannot be read; whatever is in it, is a finding
    public static Report run(ImageFile file) throws IOException {
        return run(file, CLUSTERS_A_WALK);
    }

    static Report run(ImageFile file, int clustersAWalk) throws IOException {
        return run(file, clustersAWalk, (_, _, _) -> {});
    }

    /// @param leaks sees all leaked clusters; only if the report is complete are they unused for sure
    static Report run(ImageFile file, ReferenceCounts.LeakVisitor leaks) throws IOException {
        return run(file, CLUSTERS_A_WALK, leaks);
    }

    private static Report run(ImageFile file, int clustersAWalk, ReferenceCounts.LeakVisitor leaks)
            throws IOException {
        Window window = new Window(file, WINDOW);
        Header header;
        HeaderExtensions extensions;
        try {
            Optional<Header> read = Header.read(window);
            if (read.isEmpty()) {
                return unreadable(
                        new Finding(
                                "header",
                                0,
                                "header: magic at file offset 0 must be 0x514649fb",
                                true,
                                Repair.NONE));
            }
            header = read.get();
            extensions = HeaderExtensions.read(window, header);
        } catch (FormatException e) {
            Findings only = new Findings();
            only.add(e.violation(), Repair.NONE);
            return unreadable(only.kept().getFirst());
        }
        return new Check(file, header, extensions).all(window, clustersAWalk, leaks);
    }

    private static Report unreadable(Finding finding) {
        return new Report(List.of(finding), 0, 0, 0, 1, 0, false);
    }

    private Report all(Window window, int clustersAWalk, ReferenceCounts.LeakVisitor leaks)
            throws IOException {
        if (header.backingFileOffset() != 0
                && !window.holds(header.backingFileOffset(), header.backingFileSize())) {
            findings.add(
                    Violation.of(
                            Rule.HEADER_TRUNCATED, header.backingFileOffset(), window.fileSize()),
                    Repair.NONE);
        }
        var counts = new ReferenceCounts(file, header, findings, leaks);
        counts.count(extensions, clustersAWalk);
        new BitmapFindings(file, header, extensions, findings).add(counts.bitmapsPastEnd());
        return new Report(
                findings.kept(),
                findings.omitted(),
                counts.corruptions(),
                counts.leaks(),
                counts.checkErrors(),
                counts.checkedClusters(),
                counts.complete());
    }
}
