package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// A program with its arguments, where and how long it may run.
///
/// Arguments are bytes. The JDK encodes arguments in the locale's charset, so it can neither pass a name that is not
/// UTF-8 nor, with `LANG=C`, one that is not ASCII. A command with such an argument is therefore spelled out, byte by
/// byte, to a shell that replaces itself by the program.
///
/// @param words program and arguments; never contain a NUL byte, which no argument can hold
/// @param folder the working directory
/// @param timeout after which the program is killed and the test fails
public record Command(List<byte[]> words, Path folder, Duration timeout) {

    public Command {
        words = List.copyOf(words);
    }

    public static Command of(String... words) {
        return new Command(List.of(), Path.of("."), Duration.ofSeconds(60)).with(words);
    }

    public Command with(String... more) {
        Command command = this;
        for (String word : more) {
            command = command.with(word.getBytes(UTF_8));
        }
        return command;
    }

    public Command with(byte[] word) {
        List<byte[]> all = new ArrayList<>(words);
        all.add(word.clone());
        return new Command(all, folder, timeout);
    }

    /// Adds `--option=word` as one argument, so that a word that starts with `-` cannot be taken for an option.
    public Command withOption(String option, byte[] word) {
        var argument = new ByteArrayOutputStream();
        argument.writeBytes((option + "=").getBytes(US_ASCII));
        argument.writeBytes(word);
        return with(argument.toByteArray());
    }

    public Command in(Path other) {
        return new Command(words, other, timeout);
    }

    public Command within(Duration limit) {
        return new Command(words, folder, limit);
    }

    /// Runs the program to its end.
    ///
    /// @throws AssertionError with command, output and exit code unless the program ends with 0 in time
    public ProgramResult run() {
        ProgramResult result = tryRun();
        if (result.exitCode() != 0) {
            throw new AssertionError("%s%n%s".formatted(this, result));
        }
        return result;
    }

    /// Runs the program to its end and leaves the judgement of its exit code to the caller.
    ///
    /// @throws AssertionError if the program does not end in time
    public ProgramResult tryRun() {
        try {
            Process process = start(ProcessBuilder.Redirect.PIPE, ProcessBuilder.Redirect.PIPE);
            try {
                CompletableFuture<byte[]> stdout = drain(process.getInputStream());
                CompletableFuture<byte[]> stderr = drain(process.getErrorStream());
                if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                    Programs.destroy(process);
                    throw new AssertionError(
                            "%s%nwas killed after %s%n%s%n%s"
                                    .formatted(
                                            this,
                                            timeout,
                                            text(stdout.join()),
                                            text(stderr.join())));
                }
                return new ProgramResult(process.exitValue(), stdout.join(), text(stderr.join()));
            } finally {
                Programs.destroy(process);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(toString(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted: " + this, e);
        }
    }

    /// Starts a long-lived program; the caller owns the process and must [Programs#destroy(Process)] it.
    Process start(ProcessBuilder.Redirect stdout, ProcessBuilder.Redirect stderr)
            throws IOException {
        Programs.require(text(words.getFirst()));
        boolean plain = words.stream().allMatch(Command::isPlain);
        ProcessBuilder builder =
                plain
                        ? new ProcessBuilder(words.stream().map(Command::text).toList())
                        : new ProcessBuilder("bash", "-s");
        builder.directory(folder.toFile()).redirectOutput(stdout).redirectError(stderr);
        // Messages are asserted on, so they must not depend on the developer's language.
        builder.environment().put("LC_ALL", "C.UTF-8");
        Process process = Programs.start(builder);
        try (var stdin = process.getOutputStream()) {
            if (!plain) {
                // Through standard input because one argument may hold 128 KiB at most.
                stdin.write(script().getBytes(US_ASCII));
            }
        }
        return process;
    }

    private String script() {
        var script = new StringBuilder("exec");
        for (byte[] word : words) {
            script.append(" $'");
            for (byte b : word) {
                boolean safe =
                        (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
                // Octal, unlike \xHH, has a fixed length in every shell version.
                script.append(safe ? String.valueOf((char) b) : "\\%03o".formatted(b & 0xff));
            }
            script.append('\'');
        }
        return script.append(" </dev/null\n").toString();
    }

    private static boolean isPlain(byte[] word) {
        for (byte b : word) {
            if (b < 0x20 || b > 0x7e) {
                return false;
            }
        }
        return true;
    }

    private static CompletableFuture<byte[]> drain(InputStream stream) {
        var bytes = new CompletableFuture<byte[]>();
        Thread.ofPlatform()
                .daemon()
                .name("program-output")
                .start(() -> {
                    try (stream) {
                        bytes.complete(stream.readAllBytes());
                    } catch (IOException e) {
                        bytes.completeExceptionally(e);
                    }
                });
        return bytes;
    }

    private static String text(byte[] bytes) {
        return new String(bytes, UTF_8);
    }

    @Override
    public String toString() {
        return String.join(" ", words.stream().map(Command::text).toList())
                + " (in "
                + folder
                + ")";
    }
}
