package dev.dirtymap.testimages;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// A QEMU program that runs under `strace`, so that its writes, discards and syncs are known one by one.
///
/// They are the system calls themselves: nothing is between the program and the file that could round, merge or
/// reorder them, as QEMU's own `blklogwrites` would (it writes whole sectors). Calls of several threads are told in
/// order; two writes at the same moment count in the order in which they started, and a sync is for those that had
/// ended. That nothing was missed is for the caller to see: [PowerCut#complete] must equal the file.
public final class RecordedProgram {

    private static final String CALLS =
            "write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,fallocate,ftruncate,truncate,"
                    + "copy_file_range,sendfile,splice,mmap,io_submit,io_uring_enter";

    private RecordedProgram() {}

    /// Runs `qemu-img bitmap` with real syncs, as users do.
    ///
    /// @param actions options, as in `--add`, `-g`, `512`
    public static List<DiskEvent> qemuImgBitmap(Path image, String bitmap, String... actions) {
        // The thread pool writes with pwrite64; io_uring would write unseen.
        return run(
                image,
                Command.of("qemu-img", "bitmap")
                        .with(actions)
                        .with("--image-opts")
                        .with(
                                "driver=qcow2,file.driver=file,file.aio=threads,file.filename=./"
                                        + image.getFileName(),
                                bitmap));
    }

    /// Runs any program in the image's folder and tells what it did to the image.
    ///
    /// @throws AssertionError if the program fails, or does something to the image that is not understood
    public static List<DiskEvent> run(Path image, Command command) {
        Path absolute = real(image);
        Path trace = absolute.resolveSibling(absolute.getFileName() + ".strace");
        Command strace =
                Command.of("strace", "-f", "-qq", "-e", "signal=none", "-e", "trace=" + CALLS)
                        .with("-s", "67108864", "-P", absolute.toString(), "-o", trace.toString());
        for (byte[] word : command.words()) {
            strace = strace.with(word);
        }
        try {
            strace.within(Duration.ofSeconds(60)).in(absolute.resolveSibling("")).run();
            try (InputStream calls = Files.newInputStream(trace)) {
                return new StraceOutput(calls).events();
            } finally {
                Files.deleteIfExists(trace);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Without symbolic links, as the kernel names the files that a process has open.
    private static Path real(Path image) {
        try {
            return image.toRealPath();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
