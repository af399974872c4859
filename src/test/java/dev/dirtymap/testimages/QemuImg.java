package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.JsonNode;

/// `qemu-img` over the images of one folder.
///
/// Bitmap names are bytes. Every call runs in the folder, because QEMU resolves an external data file relative to the
/// working directory of its process and not to the image.
///
/// @param folder where the images are; all file names are relative to it
public record QemuImg(Path folder) {

    private static final int LUKS_TRIES = 20;

    /// What `qemu-img info -U` thinks of an image.
    ///
    /// @param opens whether QEMU opens it
    /// @param stderr the refusal, or a warning
    public record Opening(boolean opens, String stderr) {}

    /// What `qemu-img check` found.
    ///
    /// @param exitCode 0 clean, 1 not checked or check errors, 2 corrupt, 3 leaks only
    /// @param text all output, for messages
    public record CheckResult(
            int exitCode, long corruptions, long leaks, long checkErrors, String text) {

        /// Whether it got as far as to count.
        public boolean counted() {
            return exitCode != 1 || checkErrors > 0;
        }
    }

    /// Creates an image.
    ///
    /// @param size in bytes or with QEMU's suffixes, as in `10G`
    /// @param options creation options, each as in `cluster_size=64k`
    public Path create(String file, String size, String... options) {
        return create(file, size, List.of(), options);
    }

    /// Creates an image with words such as `-b`, `base.qcow2`, `-F`, `qcow2` before its name.
    public Path create(String file, String size, List<String> words, String... options) {
        Command command = Command.of("qemu-img", "create", "-q", "-f", "qcow2");
        for (String option : options) {
            command = command.with("-o", option);
        }
        run(command.with(words.toArray(String[]::new)).with("./" + file, size));
        return folder.resolve(file);
    }

    /// Creates an image encrypted with LUKS, whose key derivation is as short as QEMU allows.
    public Path createEncrypted(String file, String size, String... options) {
        for (int tries = 1; ; tries++) {
            try {
                return create(
                        file,
                        size,
                        List.of(
                                "--object",
                                ImageArgument.SECRET_OBJECT,
                                "-o",
                                "encrypt.format=luks,encrypt.key-secret=luks,encrypt.iter-time=10"),
                        options);
            } catch (AssertionError e) {
                // It measures how fast it derives a key, and gives up where a busy machine's clock
                // shows no time.
                if (tries == LUKS_TRIES
                        || !String.valueOf(e.getMessage()).contains("accurate CPU usage")) {
                    throw e;
                }
            }
        }
    }

    /// Adds a bitmap.
    ///
    /// @param granularity in bytes; 0 leaves it to QEMU
    public void bitmapAdd(String file, byte[] name, long granularity, boolean enabled) {
        Command actions = Command.of("--add").with("-g", Long.toString(granularity));
        if (!enabled) {
            actions = actions.with("--disable");
        }
        bitmap(file, name, actions);
    }

    public void bitmapAdd(String file, String name, long granularity, boolean enabled) {
        bitmapAdd(file, name.getBytes(UTF_8), granularity, enabled);
    }

    public void bitmapRemove(String file, byte[] name) {
        bitmap(file, name, Command.of("--remove"));
    }

    public void bitmapRemove(String file, String name) {
        bitmapRemove(file, name.getBytes(UTF_8));
    }

    public void bitmapClear(String file, byte[] name) {
        bitmap(file, name, Command.of("--clear"));
    }

    public void bitmapClear(String file, String name) {
        bitmapClear(file, name.getBytes(UTF_8));
    }

    public void bitmapEnable(String file, byte[] name) {
        bitmap(file, name, Command.of("--enable"));
    }

    public void bitmapEnable(String file, String name) {
        bitmapEnable(file, name.getBytes(UTF_8));
    }

    public void bitmapDisable(String file, byte[] name) {
        bitmap(file, name, Command.of("--disable"));
    }

    public void bitmapDisable(String file, String name) {
        bitmapDisable(file, name.getBytes(UTF_8));
    }

    /// Merges a bitmap of the same image into another one.
    public void bitmapMerge(String file, byte[] target, byte[] source) {
        bitmap(file, target, Command.of().withOption("--merge", source));
    }

    public void bitmapMerge(String file, String target, String source) {
        bitmapMerge(file, target.getBytes(UTF_8), source.getBytes(UTF_8));
    }

    /// Merges a bitmap of another image into one of this image.
    public void bitmapMerge(String file, byte[] target, String sourceFile, byte[] source) {
        bitmap(
                file,
                target,
                Command.of()
                        .withOption("--merge", source)
                        .with("-b", "./" + sourceFile, "-F", "qcow2"));
    }

    /// `qemu-img info -U`: takes no lock, so it works beside a running QEMU.
    public JsonNode info(String file) {
        return run(Command.of("qemu-img", "info", "-U", "--output=json", "./" + file)).json();
    }

    /// Whether QEMU opens the image at all.
    public Opening opens(String file) {
        ProgramResult result =
                Command.of("qemu-img", "info", "-U", "--output=json", "./" + file)
                        .in(folder)
                        .tryRun();
        return new Opening(result.exitCode() == 0, result.stderr());
    }

    /// The guest's view of the image: `qemu-img map`.
    public JsonNode map(String file) {
        return run(onImage("map", file, Command.of("--output=json"))).json();
    }

    /// [#map] for an image that QEMU may give up on.
    public ProgramResult tryMap(String file) {
        return onImage("map", file, Command.of("--output=json")).in(folder).tryRun();
    }

    public CheckResult check(String file) {
        return check(file, Command.of());
    }

    /// Repairs with `qemu-img check -r`.
    ///
    /// @param what `leaks` or `all`
    public CheckResult checkRepairing(String file, String what) {
        return check(file, Command.of("-r", what));
    }

    /// Demands a sound image.
    ///
    /// @throws AssertionError unless `qemu-img check` finds neither errors nor leaks
    public void assertClean(String file) {
        CheckResult result = check(file);
        if (result.exitCode() != 0) {
            throw new AssertionError("qemu-img check %s in %s: %s".formatted(file, folder, result));
        }
    }

    /// Any other sub-command, run in the folder.
    public ProgramResult run(String... words) {
        return run(Command.of("qemu-img").with(words));
    }

    /// `qemu-img bitmap` with any actions; the name may be any bytes that an argument can hold.
    private void bitmap(String file, byte[] name, Command actions) {
        // 7.2 loses a bitmap that does not fit with exit code 0 and a line on standard error only.
        ProgramResult result = run(onImage("bitmap", file, actions).with(name));
        if (result.stderr().contains("Lost persistent bitmaps")) {
            throw new AssertionError(result.stderr());
        }
    }

    private CheckResult check(String file, Command options) {
        ProgramResult result =
                onImage("check", file, options.with("--output=json")).in(folder).tryRun();
        // With check errors it ends with 1 as well, and counts all the same.
        if (result.exitCode() != 0 && result.stdout().isBlank()) {
            return new CheckResult(1, 0, 0, 0, result.toString());
        }
        JsonNode json = result.json();
        return new CheckResult(
                result.exitCode(),
                json.path("corruptions").asLong(0),
                json.path("leaks").asLong(0),
                json.path("check-errors").asLong(0),
                result.toString());
    }

    private Command onImage(String subcommand, String file, Command options) {
        Path image = folder.resolve(file);
        Command command =
                Command.of("qemu-img", subcommand)
                        .with(ImageArgument.options(image).toArray(String[]::new));
        for (byte[] word : options.words()) {
            command = command.with(word);
        }
        return command.with("--", ImageArgument.name(image));
    }

    private ProgramResult run(Command command) {
        return command.in(folder).run();
    }
}
