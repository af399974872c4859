package dev.dirtymap.testimages;

import java.nio.file.Path;

/// `qemu-io`: guest writes without a guest.
public final class QemuIo {

    private QemuIo() {}

    /// Opens the image read/write once and runs all the commands, so that every enabled bitmap records them.
    ///
    /// @param commands each as in `write -P 0x11 0 64k`, `discard 0 1M` or `write -z 0 1G`; a length is below 2 GiB
    /// @throws AssertionError if one of them fails: `qemu-io` itself reports that in its output and may still exit with
    ///     0
    public static String run(Path image, String... commands) {
        ProgramResult result = command(image, commands).run();
        String said = result.stdout() + result.stderr();
        if (said.contains("failed") || said.contains("Lost persistent bitmaps")) {
            throw new AssertionError(String.join("; ", commands) + System.lineSeparator() + said);
        }
        return result.stdout();
    }

    /// The same where QEMU may well refuse a command.
    public static void tryRun(Path image, String... commands) {
        command(image, commands).tryRun();
    }

    private static Command command(Path image, String... commands) {
        Command command =
                Command.of("qemu-io").with(ImageArgument.options(image).toArray(String[]::new));
        for (String one : commands) {
            command = command.with("-c", one);
        }
        Path folder = image.toAbsolutePath().getParent();
        return command.with(ImageArgument.name(image)).in(folder == null ? Path.of("/") : folder);
    }
}
