package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.json.JsonMapper;

/// The oracle: which ranges QEMU itself calls dirty, as an NBD client sees them.
///
/// `qemu-nbd` serves the image read-only with the bitmaps as metadata contexts and `nbdinfo` reads these. Both pass
/// names as plain bytes, so every name that QEMU stores works, also one that is not UTF-8, holds a newline, or has
/// 1023 bytes. It works for enabled and disabled bitmaps, but not for inconsistent ones: QEMU refuses to export them.
public final class NbdMap {

    private NbdMap() {}

    /// The whole disk as ranges, ascending, without gaps, neighbours always different; one list a name, in the order
    /// of the names.
    ///
    /// @throws AssertionError if QEMU does not serve the image or one of the bitmaps
    public static List<List<Range>> read(Path image, List<byte[]> names) {
        if (names.isEmpty()) {
            return List.of();
        }
        try (SocketFolder place = SocketFolder.create()) {
            Process server = server(image, names, place);
            try {
                place.connect(server).close();
                List<List<Range>> maps = new ArrayList<>();
                for (byte[] name : names) {
                    maps.add(read(place, name));
                }
                return List.copyOf(maps);
            } finally {
                Programs.destroy(server);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static List<Range> read(Path image, byte[] name) {
        return read(image, List.of(name)).getFirst();
    }

    public static List<Range> read(Path image, String name) {
        return read(image, name.getBytes(UTF_8));
    }

    /// Only the dirty ranges: one list a name, in the order of the names.
    public static List<List<Range>> dirty(Path image, List<byte[]> names) {
        return read(image, names).stream().map(NbdMap::onlyDirty).toList();
    }

    public static List<Range> dirty(Path image, byte[] name) {
        return onlyDirty(read(image, name));
    }

    public static List<Range> dirty(Path image, String name) {
        return onlyDirty(read(image, name));
    }

    private static List<Range> onlyDirty(List<Range> ranges) {
        return ranges.stream().filter(Range::dirty).toList();
    }

    private static Process server(Path image, List<byte[]> names, SocketFolder place)
            throws IOException {
        Path absolute = image.toAbsolutePath();
        Command command =
                Command.of(
                                "qemu-nbd",
                                "-r",
                                "--persistent",
                                "--shared=0",
                                "-k",
                                place.socket().toString())
                        .with(ImageArgument.options(absolute).toArray(String[]::new));
        for (byte[] name : names) {
            command = command.withOption("--bitmap", name);
        }
        // A data file is resolved relative to the working directory, so that has to be the image's
        // folder.
        Path folder = absolute.getParent();
        return command.with(ImageArgument.name(absolute))
                .in(folder == null ? Path.of("/") : folder)
                .start(Redirect.DISCARD, Redirect.to(place.log().toFile()));
    }

    private static List<Range> read(SocketFolder place, byte[] name) {
        Programs.require("nbdinfo");
        var context = new ByteArrayOutputStream();
        context.writeBytes("qemu:dirty-bitmap:".getBytes(US_ASCII));
        context.writeBytes(name);
        ProgramResult result =
                Command.of("nbdinfo", "--json")
                        .withOption("--map", context.toByteArray())
                        .with("nbd+unix:///?socket=" + place.socket())
                        .tryRun();
        if (result.exitCode() != 0) {
            throw new AssertionError(
                    "no map of bitmap '%s': %s%n%s"
                            .formatted(new String(name, UTF_8), result, place.logText()));
        }
        return parse(result.stdoutBytes());
    }

    /// Reads the answer as a stream, since the heap of the tests is as small as the one in production.
    private static List<Range> parse(byte[] json) {
        List<Range> ranges = new ArrayList<>();
        try (JsonParser parser = JsonMapper.shared().createParser(json)) {
            long offset = 0;
            long length = 0;
            long type = 0;
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.VALUE_NUMBER_INT) {
                    long value = parser.getLongValue();
                    switch (parser.currentName()) {
                        case "offset" -> offset = value;
                        case "length" -> length = value;
                        case "type" -> type = value;
                        default ->
                                throw new AssertionError(
                                        "nbdinfo gave an unknown " + parser.currentName());
                    }
                } else if (token == JsonToken.END_OBJECT) {
                    append(ranges, new Range(offset, length, (type & 1) != 0));
                }
            }
        }
        return List.copyOf(ranges);
    }

    private static void append(List<Range> ranges, Range next) {
        if (!ranges.isEmpty() && ranges.getLast().dirty() == next.dirty()) {
            Range last = ranges.removeLast();
            ranges.add(
                    new Range(
                            last.offset(),
                            Math.addExact(last.length(), next.length()),
                            last.dirty()));
        } else {
            ranges.add(next);
        }
    }
}
