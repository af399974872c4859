package dev.dirtymap.images;

import dev.dirtymap.qcow2.Commit.Sector;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;

/// What a journal says of one image. A journal is text, so that an operator can read it:
///
/// ```
/// dirtymap transaction 1
/// image <id> <inode> <size> <modified ns> <changed ns> <file offset of the sector>
/// before <1024 hex digits>
/// after <1024 hex digits>
/// … three lines for each image
/// end <CRC-32C of all lines before, 8 hex digits>
/// ```
///
/// @param image which one
/// @param version what it was when everything was prepared
/// @param sector the switch to the new state
record JournalEntry(Id image, FileVersion version, Sector sector) {

    private static final String FIRST = "dirtymap transaction 1";
    private static final String LAST = "end ";
    private static final int SECTOR = 512;

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
        return text.append(end(text.toString())).toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String end(String before) {
        CRC32C checksum = new CRC32C();
        checksum.update(before.getBytes(StandardCharsets.UTF_8));
        return "%s%08x\n".formatted(LAST, checksum.getValue());
    }

    /// @throws IOException if it is not such a text
    static List<JournalEntry> read(String text) throws IOException {
        try {
            List<String> lines = text.lines().toList();
            if (lines.size() < 5
                    || lines.size() % 3 != 2
                    || !lines.getFirst().equals(FIRST)
                    || !text.endsWith(
                            end(text.substring(0, Math.max(0, text.lastIndexOf(LAST)))))) {
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
                                        offset(image[6]),
                                        bytes("before ", lines.get(i + 1)),
                                        bytes("after ", lines.get(i + 2)))));
            }
            return entries;
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new IOException("a journal cannot be read", e);
        }
    }

    private static long offset(String word) {
        long offset = Long.parseLong(word);
        if (offset < 0 || offset % SECTOR != 0) {
            throw new IllegalArgumentException("there is no sector at " + offset);
        }
        return offset;
    }

    /// The images that a text speaks of which need not be whole, as far as that can be told.
    static List<Id> named(String text) {
        List<Id> named = new ArrayList<>();
        for (String line : text.lines().toList()) {
            String[] words = line.split(" ", -1);
            if (words.length > 2 && words[0].equals("image")) {
                try {
                    named.add(Id.parse(words[1]));
                } catch (IllegalArgumentException damaged) {
                    // Which image it was cannot be told.
                }
            }
        }
        return named;
    }

    private static byte[] bytes(String label, String line) {
        if (!line.startsWith(label)) {
            throw new IllegalArgumentException("a line must start with " + label);
        }
        byte[] bytes = HexFormat.of().parseHex(line, label.length(), line.length());
        if (bytes.length != SECTOR) {
            throw new IllegalArgumentException(
                    "a sector must have %d bytes but had %d".formatted(SECTOR, bytes.length));
        }
        return bytes;
    }
}
