package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The output of `strace -f -P file`, one system call a line and one byte a char.
///
/// ```text
/// 77 pwrite64(4, "QFI\373\0\0", 6, 0)     = 6
/// 77 fdatasync(4 <unfinished ...>
/// 78 fallocate(4, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 65536, 65536) = 0
/// 77 <... fdatasync resumed>)             = 0
/// ```
final class StraceOutput {

    private static final Pattern CALL = Pattern.compile("(\\d+) +(\\w+)\\(");
    private static final Pattern RESUMED =
            Pattern.compile("(\\d+) +<\\.\\.\\. (\\w+) resumed>.*= (-?\\d+).*", Pattern.DOTALL);
    private static final Pattern WRITTEN =
            Pattern.compile(", (\\d+), (\\d+)(?:\\) += (-?\\d+)| <unfinished \\.\\.\\.>).*");
    private static final Pattern PUNCHED =
            Pattern.compile(
                    "\\d+, FALLOC_FL_KEEP_SIZE\\|FALLOC_FL_PUNCH_HOLE, (\\d+), (\\d+)"
                            + "(?:\\) += (-?\\d+)| <unfinished \\.\\.\\.>).*");
    private static final Pattern SYNCED =
            Pattern.compile("\\d+(?:\\) += (-?\\d+)| <unfinished \\.\\.\\.>).*");

    private final InputStream calls;
    private final List<DiskEvent> events = new ArrayList<>();

    /// What each thread is doing: the value that the call must return.
    private final Map<String, Long> unfinished = new HashMap<>();

    /// The threads of which this is a write or a discard.
    private final Map<String, DiskEvent> changing = new HashMap<>();

    StraceOutput(InputStream calls) {
        this.calls = calls;
    }

    /// @throws AssertionError with the line that is not understood
    List<DiskEvent> events() throws IOException {
        var line = new ByteArrayOutputStream();
        // A line may have megabytes, so byte by byte would be slow.
        var buffer = new byte[1 << 16];
        for (int count = calls.read(buffer); count >= 0; count = calls.read(buffer)) {
            int start = 0;
            for (int i = 0; i < count; i++) {
                if (buffer[i] == '\n') {
                    line.write(buffer, start, i - start);
                    read(line.toString(ISO_8859_1));
                    line.reset();
                    start = i + 1;
                }
            }
            line.write(buffer, start, count - start);
        }
        if (!unfinished.isEmpty() || line.size() > 0) {
            throw new AssertionError("the trace ends in the middle of a call");
        }
        return List.copyOf(events);
    }

    private void read(String line) {
        Matcher resumed = RESUMED.matcher(line);
        if (resumed.matches()) {
            String thread = resumed.group(1);
            Long expected = unfinished.remove(thread);
            changing.remove(thread);
            demand(expected != null && expected == Long.parseLong(resumed.group(3)), line);
            return;
        }
        Matcher call = CALL.matcher(line);
        demand(call.lookingAt(), line);
        String thread = call.group(1);
        int arguments = call.end();
        switch (call.group(2)) {
            case "pwrite64" -> write(thread, line, arguments);
            case "fallocate" -> {
                Matcher punched = PUNCHED.matcher(line).region(arguments, line.length());
                demand(punched.matches(), line);
                var event =
                        new DiskEvent.Discard(
                                Long.parseLong(punched.group(1)), Long.parseLong(punched.group(2)));
                change(thread, event, 0, punched.group(3), line);
            }
            case "fsync", "fdatasync" -> {
                Matcher synced = SYNCED.matcher(line).region(arguments, line.length());
                // A sync beside a write may or may not be for it; the bitmap commands have none.
                demand(synced.matches() && changing.isEmpty(), line);
                events.add(new DiskEvent.Sync());
                expect(thread, 0, synced.group(1), line);
            }
            // Only a look at the file changes nothing.
            case "mmap" -> demand(line.contains("PROT_READ, MAP_PRIVATE"), line);
            default -> demand(false, line);
        }
    }

    private void write(String thread, String line, int arguments) {
        int quote = line.indexOf('"', arguments);
        var bytes = ByteBuffer.allocate(line.length() - quote);
        int end = unescape(line, quote + 1, bytes);
        bytes.flip();
        Matcher written = WRITTEN.matcher(line).region(end + 1, line.length());
        demand(written.matches() && bytes.remaining() == Long.parseLong(written.group(1)), line);
        var event = new DiskEvent.Write(Long.parseLong(written.group(2)), bytes);
        change(thread, event, bytes.remaining(), written.group(3), line);
    }

    private void change(
            String thread, DiskEvent event, long expected, @Nullable String result, String line) {
        events.add(event);
        if (result == null) {
            changing.put(thread, event);
        }
        expect(thread, expected, result, line);
    }

    private void expect(String thread, long expected, @Nullable String result, String line) {
        if (result == null) {
            unfinished.put(thread, expected);
        } else {
            demand(Long.parseLong(result) == expected, line);
        }
    }

    /// Reads a string of C up to its quote, and gives the quote's index.
    private static int unescape(String line, int start, ByteBuffer bytes) {
        int at = start;
        while (line.charAt(at) != '"') {
            char c = line.charAt(at++);
            if (c != '\\') {
                bytes.put((byte) c);
                continue;
            }
            char escaped = line.charAt(at++);
            int octal = Character.digit(escaped, 8);
            if (octal < 0) {
                bytes.put(
                        (byte)
                                switch (escaped) {
                                    case 'n' -> '\n';
                                    case 't' -> '\t';
                                    case 'r' -> '\r';
                                    case 'v' -> 0x0b;
                                    case 'f' -> '\f';
                                    default -> escaped;
                                });
                continue;
            }
            for (int digits = 1; digits < 3; digits++) {
                int next = Character.digit(line.charAt(at), 8);
                if (next < 0) {
                    break;
                }
                octal = octal * 8 + next;
                at++;
            }
            bytes.put((byte) octal);
        }
        return at;
    }

    private static void demand(boolean understood, String line) {
        if (!understood) {
            throw new AssertionError("strace: " + line.substring(0, Math.min(200, line.length())));
        }
    }
}
