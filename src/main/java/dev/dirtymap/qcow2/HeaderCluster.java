package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ChangeRefusedException.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The first cluster as a writer sees it: the fields of the header, the extensions byte for byte, the name
/// of the backing file, and how to come from one list of extensions to another without a moment at which
/// power may not be lost.
///
/// A disk writes 512 bytes at once or not at all. Whatever decides where extensions are read from and
/// whether bitmaps are valid stands in the first of these sectors: `header_length`, `backing_file_offset`
/// and the autoclear bits. So every change comes down to two steps: write where nobody reads, then switch
/// by one sector. Two cases:
///
/// - Only one sector differs, once the bytes that nobody reads are written: that sector is the switch. So it
///   is for a new directory (24 bytes of payload), and for all of a cluster of 512 bytes.
/// - Else the whole new list is written further back in the cluster, with the backing file's name behind it,
///   and `header_length` is moved there: to a reader, what lies between are additional fields that it does
///   not know, which it is to ignore and to keep. That is the switch. The list is then written to where it
///   belongs, which nobody reads any more, and a second switch moves `header_length` back.
///
/// Should the second switch never come, the image is a legal one whose header is long. A mark of 16 bytes
/// before the list tells the next writer where the list belongs.
final class HeaderCluster {

    /// One extension as it stands.
    record Extension(int id, byte[] data) {

        int length() {
            return HEAD + ((data.length + 7) & -8);
        }
    }

    /// Bytes to write at an offset.
    record Patch(long offset, byte[] bytes) {}

    /// From one state to the next: patches that change no meaning, then, once those are on the disk, the one
    /// sector that does.
    record Switch(List<Patch> before, Patch sector, byte[] old) {}

    static final int SECTOR = 512;

    /// How much of a large first cluster is read, as long as no more than a quarter of it is used.
    private static final int USUAL = 64 << 10;

    private static final int HEAD = 8;
    private static final int MARK_LENGTH = 16;

    /// `DirtyMap`
    private static final long MARK = 0x44697274794d6170L;

    private static final int BACKING_OFFSET_AT = 8;
    private static final int AUTOCLEAR_AT = 88;
    private static final int HEADER_LENGTH_AT = 100;

    /// What QEMU writes: its own header length, and for clusters of more than 4 KiB a table of feature names
    /// of 48 bytes each, of which there are 8 today.
    private static final int QEMU_HEADER_LENGTH = 112;

    private static final int QEMU_FEATURE_NAMES = HEAD + 12 * 48;
    private static final int MAX_BACKING_NAME = 1023;
    private static final int BACKING_FORMAT_ROOM = 24;

    private final Header header;

    /// The bytes up to where something may be written.
    private final byte[] bytes;

    /// Where extensions belong.
    private final int base;

    /// Where they stand, and where what is read as extensions ends.
    private final int start;

    private final int end;
    private final List<Extension> extensions;

    private HeaderCluster(
            Header header, byte[] bytes, int base, int end, List<Extension> extensions) {
        this.header = header;
        this.bytes = bytes;
        this.base = base;
        this.start = header.headerLength();
        this.end = end;
        this.extensions = List.copyOf(extensions);
    }

    /// @param header what the file says now
    static HeaderCluster read(ImageFile file, Header header) throws IOException {
        HeaderCluster usual = read(file, header, Math.min(header.clusterSize(), USUAL));
        return usual == null ? required(read(file, header, header.clusterSize())) : usual;
    }

    private static @Nullable HeaderCluster read(ImageFile file, Header header, int length)
            throws IOException {
        byte[] bytes = new byte[length];
        // What lies beyond the end of the file reads as zeros.
        file.read(0, ByteBuffer.wrap(bytes));
        HeaderCluster cluster = of(header, bytes);
        boolean whole = length == header.clusterSize();
        return whole || (cluster != null && cluster.usedEnd() <= USUAL / 4) ? cluster : null;
    }

    /// Null if the bytes end before the extensions do.
    private static @Nullable HeaderCluster of(Header header, byte[] bytes) {
        ByteBuffer all = ByteBuffer.wrap(bytes);
        int limit = (int) header.extensionsEnd();
        int at = header.headerLength();
        List<Extension> extensions = new ArrayList<>();
        while (at < limit) {
            if (at + HEAD > bytes.length
                    || (all.getInt(at) != HeaderExtension.END
                            && all.getInt(at + 4) > bytes.length - at - HEAD)) {
                return null;
            }
            int id = all.getInt(at);
            if (id == HeaderExtension.END) {
                at += HEAD;
                break;
            }
            byte[] data = new byte[all.getInt(at + 4)];
            all.get(at + HEAD, data);
            Extension extension = new Extension(id, data);
            extensions.add(extension);
            at += extension.length();
        }
        // A name that stands within the fields leaves no room for any.
        int end = Math.max(header.headerLength(), Math.min(at, limit));
        return new HeaderCluster(header, bytes, base(header, all), end, extensions);
    }

    private static int base(Header header, ByteBuffer bytes) {
        int mark = header.headerLength() - MARK_LENGTH;
        if (mark >= Header.V3_MIN_LENGTH && bytes.getLong(mark) == MARK) {
            int base = bytes.getInt(mark + Long.BYTES);
            if (base >= Header.V3_MIN_LENGTH && base <= mark) {
                return base;
            }
        }
        return header.headerLength();
    }

    List<Extension> extensions() {
        return extensions;
    }

    /// How to come to another list of extensions: no step if nothing changes, else one or two. The first is
    /// the commit.
    ///
    /// @param autoclear the autoclear bits to have
    /// @throws ChangeRefusedException if there is no room, for us or for QEMU afterwards
    List<Switch> to(List<Extension> next, long autoclear) throws ChangeRefusedException {
        requireRoomInQemu(next);
        int nameAt = backingNameOffset(next);
        Draft target = draft(bytes, base, next, nameAt, autoclear);
        if (Arrays.equals(target.bytes, bytes)) {
            return List.of();
        }
        boolean[] live = live(base, start, end, (int) header.backingFileOffset());
        Switch direct = oneSwitch(bytes, target.bytes, live);
        if (direct != null) {
            return List.of(direct);
        }
        if (header.version() < 3) {
            throw new ChangeRefusedException(
                    Kind.IMAGE_VERSION,
                    "the image has version 2, whose header cannot be changed safely here");
        }
        int mark = (Math.max(usedEnd(), target.end) + 7) & -8;
        int far = mark + MARK_LENGTH;
        int farName = nameAt == 0 ? 0 : far + listLength(next);
        if (far + listLength(next) + nameLength() > bytes.length) {
            throw full(next, far + listLength(next) + nameLength());
        }
        Draft middle = draft(bytes, far, next, farName, autoclear);
        ByteBuffer.wrap(middle.bytes).putLong(mark, MARK).putInt(mark + Long.BYTES, base);
        // With a long header these bytes are fields, of which 0 is the old meaning.
        if (base < QEMU_HEADER_LENGTH) {
            Arrays.fill(middle.bytes, base, QEMU_HEADER_LENGTH, (byte) 0);
        }
        Draft last = draft(middle.bytes, base, next, nameAt, autoclear);
        boolean[] stillLive = live(base, far, far + listLength(next), farName);
        Arrays.fill(stillLive, mark, far, true);
        return List.of(
                required(oneSwitch(bytes, middle.bytes, live)),
                required(oneSwitch(middle.bytes, last.bytes, stillLive)));
    }

    /// Bytes of the cluster as they shall be, and where what is read of them ends.
    private record Draft(byte[] bytes, int end) {}

    private Draft draft(byte[] from, int at, List<Extension> list, int nameAt, long autoclear) {
        byte[] draft = from.clone();
        ByteBuffer out = ByteBuffer.wrap(draft);
        if (nameAt != 0) {
            out.putLong(BACKING_OFFSET_AT, nameAt);
            out.put(nameAt, bytes, (int) header.backingFileOffset(), nameLength());
        }
        if (header.version() >= 3) {
            out.putLong(AUTOCLEAR_AT, autoclear).putInt(HEADER_LENGTH_AT, at);
        }
        out.position(at);
        for (Extension extension : list) {
            int padding = extension.length() - HEAD - extension.data().length;
            out.putInt(extension.id()).putInt(extension.data().length);
            out.put(extension.data()).put(new byte[padding]);
        }
        out.putLong(HeaderExtension.END);
        return new Draft(draft, Math.max(out.position(), nameAt + nameLength()));
    }

    /// Where the name stands if it can stay there, else behind the new list; 0 if there is none.
    private int backingNameOffset(List<Extension> next) throws ChangeRefusedException {
        int behind = base + listLength(next);
        int now = (int) header.backingFileOffset();
        if (now == 0) {
            if (behind > bytes.length) {
                throw full(next, behind);
            }
            return 0;
        }
        boolean far = start != base;
        if (now >= behind && !far) {
            return now;
        }
        if (behind + nameLength() > bytes.length) {
            throw full(next, behind + nameLength());
        }
        return behind;
    }

    private ChangeRefusedException full(List<Extension> next, long needed) {
        return new ChangeRefusedException(
                Kind.HEADER_FULL,
                ("the first cluster of %d bytes has no room for %d bytes of header extensions, which would"
                                + " take %d bytes with all else")
                        .formatted(header.clusterSize(), listLength(next), needed));
    }

    private int nameLength() {
        return header.backingFileOffset() == 0 ? 0 : header.backingFileSize();
    }

    private int usedEnd() {
        return Math.max(end, (int) header.backingFileOffset() + nameLength());
    }

    private static int listLength(List<Extension> list) {
        return list.stream().mapToInt(Extension::length).sum() + HEAD;
    }

    /// Which bytes mean something: the fixed fields, the extensions and the name.
    private boolean[] live(int fixedEnd, int listStart, int listEnd, int nameAt) {
        boolean[] live = new boolean[bytes.length];
        // A header that is long at the moment has all fields, whatever its length was.
        int fields = listStart == fixedEnd ? fixedEnd : Math.max(fixedEnd, QEMU_HEADER_LENGTH);
        Arrays.fill(live, 0, fields, true);
        if (listStart != fixedEnd) {
            Arrays.fill(live, Math.max(fixedEnd, listStart - MARK_LENGTH), listStart, true);
        }
        Arrays.fill(live, listStart, listEnd, true);
        Arrays.fill(live, nameAt, nameAt + nameLength(), true);
        return live;
    }

    /// One switch between two states of the cluster; null if more than one sector has to change at once.
    private static @Nullable Switch oneSwitch(byte[] from, byte[] to, boolean[] live) {
        List<Integer> changed = differing(from, to);
        if (changed.size() == 1) {
            return new Switch(
                    List.of(),
                    sector(to, changed.getFirst()),
                    sector(from, changed.getFirst()).bytes);
        }
        byte[] before = from.clone();
        for (int i = 0; i < before.length; i++) {
            if (!live[i]) {
                before[i] = to[i];
            }
        }
        List<Integer> left = differing(before, to);
        if (left.size() != 1) {
            return null;
        }
        List<Patch> patches =
                differing(from, before).stream().map(at -> sector(before, at)).toList();
        return new Switch(
                patches, sector(to, left.getFirst()), sector(before, left.getFirst()).bytes);
    }

    private static <T> T required(@Nullable T found) {
        if (found == null) {
            throw new IllegalStateException("a switch changes one sector, in a cluster read whole");
        }
        return found;
    }

    private static List<Integer> differing(byte[] one, byte[] other) {
        List<Integer> sectors = new ArrayList<>();
        for (int at = 0; at < one.length; at += SECTOR) {
            if (!Arrays.equals(one, at, at + SECTOR, other, at, at + SECTOR)) {
                sectors.add(at);
            }
        }
        return sectors;
    }

    private static Patch sector(byte[] bytes, int at) {
        return new Patch(at, Arrays.copyOfRange(bytes, at, at + SECTOR));
    }

    /// QEMU writes the whole cluster anew, in its own layout, whenever it opens an image for writing; what
    /// does not fit then costs all bitmaps. Where there is room for it, the longest name of a backing file is
    /// left free too, so that what we put there displaces nothing.
    private void requireRoomInQemu(List<Extension> next) throws ChangeRefusedException {
        int needed = Math.max(QEMU_HEADER_LENGTH, base) + HEAD + nameLength();
        boolean backingFormat = false;
        boolean ours = false;
        for (Extension extension : next) {
            if (extension.id() != HeaderExtension.FEATURE_NAMES) {
                needed += extension.length();
            }
            backingFormat |= extension.id() == HeaderExtension.BACKING_FORMAT;
            ours |= extension.id() == ReferencePoints.EXTENSION;
        }
        if (header.clusterSize() > 4096) {
            needed += QEMU_FEATURE_NAMES;
        }
        if (ours && header.clusterSize() >= 2048) {
            needed += MAX_BACKING_NAME - nameLength();
            needed += backingFormat ? 0 : BACKING_FORMAT_ROOM;
        }
        if (needed > header.clusterSize()) {
            throw full(next, needed);
        }
        boolean grows = listLength(next) > listLength(extensions);
        if (ours && grows && header.clusterSize() > SECTOR) {
            // A second list must fit beside this one for the next switch, for QEMU too.
            int far = Math.max(QEMU_HEADER_LENGTH, base) + listLength(next) + nameLength();
            int both = 2 * far + MARK_LENGTH + HEAD;
            both += header.clusterSize() > 4096 ? QEMU_FEATURE_NAMES : 0;
            if (both > bytes.length) {
                throw full(next, both);
            }
        }
    }
}
