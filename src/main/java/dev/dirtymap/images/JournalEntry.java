package dev.dirtymap.images;

import dev.dirtymap.qcow2.Commit.Sector;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// What a journal says of one image. A journal is text, so that an operator can read it:
///
/// ```
/// dirtymap transaction 1
/// image <id> <inode> <size> <modified ns> <changed ns> <file offset of the sector>
/// before <1024 hex digits>
/// after <1024 hex digits>
/// … three lines for each image
/// end
/// ```
///
/// @param image which one
/// @param version what it was when everything was prepared
/// @param sector the switch to the new state
record JournalEntry(Id image, FileVersion version, Sector sector) {

    private static final String FIRST = "dirtymap transaction 1";
    private static final String LAST = "end";

    static byte[] write(List<JournalEntry> entries) {
        HexFormat hex = HexFormat.of();
        StringBuilder text = new StringBuilder(FIRST).append('\n');
        for (JournalEntry entry : entries) {
            FileVersion version = entry.version;
            text.append(
                    "image %s %d %d %d %d %d\nbefore %s\nafter %s\n"
                            .formatted(
                                    entry.image,
                                    version.inode(),
                                    version.size(),
                                    version.modifiedNanos(),
                                    version.changedNanos(),
                                    entry.sector.offset(),
                                    hex.formatHex(entry.sector.before()),
                                    hex.formatHex(entry.sector.after())));
        }
        return text.append(LAST).append('\n').toString().getBytes(StandardCharsets.UTF_8);
    }

    /// @throws IOException if it is not such a text
    static List<JournalEntry> read(String text) throws IOException {
        try {
            List<String> lines = text.lines().toList();
            if (!lines.getFirst().equals(FIRST)
                    || !lines.getLast().equals(LAST)
                    || lines.size() % 3 != 2
                    || lines.size() < 5) {
                throw new IOException("a journal is not one of this service");
            }
            List<JournalEntry> entries = new ArrayList<>();
            for (int i = 1; i + 3 < lines.size(); i += 3) {
                String[] image = lines.get(i).split(" ", -1);
                entries.add(
                        new JournalEntry(
                                Id.parse(image[1]),
                                new FileVersion(
                                        Long.parseLong(image[2]),
                                        Long.parseLong(image[3]),
                                        Long.parseLong(image[4]),
                                        Long.parseLong(image[5])),
                                new Sector(
                                        Long.parseLong(image[6]),
                                        bytes("before ", lines.get(i + 1)),
                                        bytes("after ", lines.get(i + 2)))));
            }
            return entries;
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new IOException("a journal cannot be read", e);
        }
    }

    private static byte[] bytes(String label, String line) {
        if (!line.startsWith(label)) {
            throw new IllegalArgumentException("a line must start with " + label);
        }
        return HexFormat.of().parseHex(line, label.length(), line.length());
    }
}
