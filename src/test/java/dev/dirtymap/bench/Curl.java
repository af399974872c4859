package dev.dirtymap.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// One answer that `curl` took and threw away, in the times that it tells itself.
///
/// @param firstByte seconds to the first byte of the answer
/// @param total seconds to the last one
/// @param bytes of the body
record Curl(double firstByte, double total, long bytes) {

    private static final String FORMAT =
            "%{http_code} %{time_starttransfer} %{time_total} %{size_download}";

    /// Takes an answer.
    ///
    /// @throws IllegalStateException unless it is a success
    static Curl get(String url, String accept) throws IOException, InterruptedException {
        String line =
                Program.firstLine(
                        "curl",
                        "-s",
                        "-o",
                        "/dev/null",
                        "-w",
                        FORMAT,
                        "-H",
                        "Accept: " + accept,
                        url);
        List<String> words = List.of(line.split(" ", -1));
        if (!words.getFirst().equals("200")) {
            throw new IllegalStateException("%s: %s".formatted(url, line));
        }
        return new Curl(
                Double.parseDouble(words.get(1)),
                Double.parseDouble(words.get(2)),
                Long.parseLong(words.get(3)));
    }

    /// Has `curl` hand an answer on.
    static <T> T read(Program.Reader<T> reader, String url, String accept)
            throws IOException, InterruptedException {
        return Program.read(reader, Path.of("."), "curl", "-sf", "-H", "Accept: " + accept, url);
    }
}
