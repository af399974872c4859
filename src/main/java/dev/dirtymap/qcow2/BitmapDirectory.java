package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Bitmap.TableFacts;
import dev.dirtymap.qcow2.Rule.Effect;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The bitmaps of one image. Nothing here throws because something in the file is broken: a broken bitmap
/// has a state and a reason, and its neighbours stay readable.
public final class BitmapDirectory {

    private static final int EXTRA_DATA_SHOWN = 4096;
    private static final int MAX_NAME = 1023;
    private static final int WINDOW = 64 << 10;

    static final String ORPHANED =
            "the bitmaps extension is there but autoclear bit 0 is not set: a program that does not know"
                    + " bitmaps changed the image, so no bitmap of it can be trusted";
    private static final String INCONSISTENT =
            "in_use is set and no program holds the image: the program that kept this bitmap ended without"
                    + " storing it";
    private static final String IN_USE =
            "in_use is set and a program holds the image for writing: the real content is in that program";

    private final Header header;
    private final Window window;
    private final boolean orphaned;
    private final boolean heldForWriting;
    private final @Nullable Violation extensionViolation;
    private final DirectoryIndex index;
    private @Nullable Summary summary;

    private BitmapDirectory(
            Header header,
            Window window,
            boolean orphaned,
            boolean heldForWriting,
            @Nullable Violation extensionViolation,
            DirectoryIndex index) {
        this.header = header;
        this.window = window;
        this.orphaned = orphaned;
        this.heldForWriting = heldForWriting;
        this.extensionViolation = extensionViolation;
        this.index = index;
    }

    /// Finds the entries; judges none of them yet.
    static BitmapDirectory read(
            ImageFile file, Header header, HeaderExtensions extensions, boolean heldForWriting)
            throws IOException {
        Window window = new Window(file, WINDOW);
        boolean valid = header.has(Feature.BITMAPS);
        HeaderExtension.Bitmaps extension =
                extensions.last(HeaderExtension.Bitmaps.class).orElse(null);
        if (extension == null) {
            Violation missing =
                    valid
                            ? Violation.ofHex(
                                    Rule.BITMAPS_EXTENSION_MISSING, 88, header.autoclearFeatures())
                            : null;
            return new BitmapDirectory(
                    header, window, false, heldForWriting, missing, DirectoryIndex.EMPTY);
        }
        DirectoryIndex index =
                BitmapsExtension.check(extension, header.clusterSize()) != null
                        ? DirectoryIndex.EMPTY
                        : DirectoryIndex.scan(window, BitmapsExtension.parse(extension), header);
        return new BitmapDirectory(
                header,
                window,
                !valid,
                heldForWriting,
                BitmapsExtension.checkAll(extensions, header.clusterSize()),
                index);
    }

    /// What all bitmaps together are.
    ///
    /// @param reason why the state is neither NONE nor VALID; null if it is
    /// @param opensInQemu whether QEMU's rules let it open the image
    /// @param hasInconsistent whether at least one bitmap is [BitmapState#INCONSISTENT]
    public record Summary(
            BitmapsState state,
            @Nullable String reason,
            boolean opensInQemu,
            boolean hasInconsistent) {}

    /// Whether the extension is there without its autoclear bit.
    boolean isOrphaned() {
        return orphaned;
    }

    /// The name of an entry, which need not be sound otherwise.
    byte[] name(int position) throws IOException {
        return name(entry(position));
    }

    /// Bytes of a whole entry, padding included.
    long length(int position) throws IOException {
        return entry(position).length();
    }

    /// A whole entry as it stands: fixed part, extra data, name and padding.
    byte[] raw(int position) throws IOException {
        DirectoryEntry entry = entry(position);
        byte[] raw = new byte[Math.toIntExact(entry.length())];
        // The padding of the last entry may be missing: it reads as zeros.
        window.view(entry.fileOffset(), DirectoryEntry.SIZE).get(raw, 0, DirectoryEntry.SIZE);
        int body = Math.toIntExact(entry.extraDataSize()) + entry.nameSize();
        byte[] rest = window.copy(entry.fileOffset() + DirectoryEntry.SIZE, body);
        System.arraycopy(rest, 0, raw, DirectoryEntry.SIZE, body);
        return raw;
    }

    /// How many entries could be followed.
    public int count() {
        return index.starts().length;
    }

    /// Why the list of bitmaps may be incomplete: the extension or the directory itself is broken. Null if
    /// it is whole.
    public @Nullable String reason() {
        Violation violation = structural();
        return violation == null ? null : violation.toString();
    }

    /// What is broken in the extension or the directory itself; null for nothing.
    @Nullable Violation structural() {
        return extensionViolation != null ? extensionViolation : index.violation();
    }

    /// Judges every bitmap, once. Reads every bitmap table, up to [DirectoryIndex#TABLE_BUDGET] bytes, and no
    /// bitmap data.
    public Summary summary() throws IOException {
        Summary made = summary;
        if (made == null) {
            made = summarize();
            summary = made;
        }
        return made;
    }

    private Summary summarize() throws IOException {
        Violation structural = structural();
        if (orphaned) {
            // QEMU ignores the extension then, but for its length.
            boolean refused =
                    structural != null && structural.rule() == Rule.BITMAPS_EXTENSION_LENGTH;
            return new Summary(BitmapsState.ORPHANED, ORPHANED, !refused, false);
        }
        if (structural == null && count() == 0) {
            return new Summary(BitmapsState.NONE, null, true, false);
        }
        String corrupt = structural == null ? null : structural.toString();
        String unsupported = null;
        boolean opens =
                !index.sameInQemu()
                        && (structural == null || structural.rule().inQemu() == Rule.InQemu.OPENS);
        boolean inconsistent = false;
        for (int i = 0; i < count(); i++) {
            Judged judged = judge(i);
            opens &= opensInQemu(judged.violations());
            Bitmap bitmap = judged.bitmap();
            switch (bitmap.state()) {
                case CORRUPT -> corrupt = corrupt == null ? about(bitmap) : corrupt;
                case UNSUPPORTED -> unsupported = unsupported == null ? about(bitmap) : unsupported;
                case INCONSISTENT -> inconsistent = true;
                case CONSISTENT, IN_USE, ORPHANED -> {}
            }
        }
        if (corrupt != null) {
            return new Summary(BitmapsState.CORRUPT, corrupt, opens, inconsistent);
        }
        if (unsupported != null) {
            return new Summary(BitmapsState.UNSUPPORTED, unsupported, opens, inconsistent);
        }
        return new Summary(BitmapsState.VALID, null, opens, inconsistent);
    }

    private static String about(Bitmap bitmap) {
        return "bitmap '%s': %s".formatted(Names.text(bitmap.name()), bitmap.reason());
    }

    /// One bitmap, judged: reads its directory entry and its table.
    ///
    /// @param position in directory order, from 0
    public Bitmap get(int position) throws IOException {
        return judge(position).bitmap();
    }

    /// The position of the bitmap with this very name; -1 if there is none.
    public int find(byte[] name) throws IOException {
        List<Integer> found = findAll(name);
        return found.isEmpty() ? -1 : found.getFirst();
    }

    /// The positions of all that have this very name: of several, each is broken.
    List<Integer> findAll(byte[] name) throws IOException {
        List<Integer> positions = new ArrayList<>();
        for (int i = index.firstOf(name); index.mayBe(i, name); i++) {
            int position = (int) index.byName()[i];
            if (Arrays.equals(name(entry(position)), name)) {
                positions.add(position);
            }
        }
        return positions;
    }

    /// A bitmap with every rule that it breaks: all of its entry, the first of its table.
    record Judged(Bitmap bitmap, DirectoryEntry entry, List<Violation> violations) {}

    Judged judge(int position) throws IOException {
        DirectoryEntry entry = entry(position);
        byte[] name = name(entry);
        Geometry geometry = entry.geometry(header);
        List<Violation> violations = new ArrayList<>();
        checkEntry(entry, position, name, violations);
        TableFacts table = null;
        // What QEMU does not mind leads it on to the table.
        if (opensInQemu(violations) && !entry.inUse() && !orphaned) {
            if (entry.tableSize() != geometry.tableSize()) {
                violations.add(
                        Violation.of(
                                Rule.TABLE_SIZE_EXACT,
                                entry.fileOffset() + 8,
                                entry.tableSize(),
                                "here " + geometry.tableSize()));
            } else if (!Header.isReadable(entry.tableOffset(), entry.tableSize() * Long.BYTES)) {
                violations.add(
                        Violation.of(
                                Rule.TABLE_OFFSET_LIMIT, entry.fileOffset(), entry.tableOffset()));
            } else if (position >= index.withinBudget()) {
                violations.add(
                        Violation.of(
                                Rule.TABLES_TOTAL,
                                entry.fileOffset(),
                                DirectoryIndex.TABLE_BUDGET,
                                "more than that here"));
            } else {
                table = TableCheck.run(window, entry, geometry, violations);
            }
        }
        if (!violations.isEmpty()) {
            table = null;
        }
        BitmapState state = state(entry, violations);
        String reason =
                switch (state) {
                    case CONSISTENT -> null;
                    case ORPHANED -> ORPHANED;
                    case INCONSISTENT -> INCONSISTENT;
                    case IN_USE -> IN_USE;
                    case CORRUPT -> first(violations, Effect.CORRUPT).toString();
                    case UNSUPPORTED -> first(violations, Effect.UNSUPPORTED).toString();
                };
        Bitmap bitmap = new Bitmap(name, entry, geometry, state, reason, table, extraData(entry));
        return new Judged(bitmap, entry, violations);
    }

    private static boolean opensInQemu(List<Violation> violations) {
        return violations.stream().noneMatch(v -> v.rule().inQemu() == Rule.InQemu.REFUSED);
    }

    private BitmapState state(DirectoryEntry entry, List<Violation> violations) {
        if (orphaned) {
            return BitmapState.ORPHANED;
        }
        if (violations.stream().anyMatch(v -> v.rule().effect() == Effect.CORRUPT)) {
            return BitmapState.CORRUPT;
        }
        if (!violations.isEmpty()) {
            return BitmapState.UNSUPPORTED;
        }
        if (entry.inUse()) {
            return heldForWriting ? BitmapState.IN_USE : BitmapState.INCONSISTENT;
        }
        return BitmapState.CONSISTENT;
    }

    private static Violation first(List<Violation> violations, Effect effect) {
        return violations.stream()
                .filter(v -> v.rule().effect() == effect)
                .findFirst()
                .orElseThrow();
    }

    /// What the entry by itself breaks (`check_dir_entry`, `bitmap_list_load`).
    private void checkEntry(
            DirectoryEntry entry, int position, byte[] name, List<Violation> violations) {
        long at = entry.fileOffset();
        long tableOffset = entry.tableOffset();
        if (tableOffset == 0 || (tableOffset & (header.clusterSize() - 1)) != 0) {
            violations.add(Violation.of(Rule.TABLE_OFFSET, at, tableOffset));
        }
        if (!entry.tableSizeIsLegal(header.clusterBits())) {
            violations.add(Violation.of(Rule.TABLE_SIZE, at + 8, entry.tableSize()));
        }
        if ((entry.flags() & ~(DirectoryEntry.IN_USE | DirectoryEntry.AUTO)) != 0) {
            violations.add(
                    Violation.ofHex(Rule.FLAGS, at + 12, Integer.toUnsignedLong(entry.flags())));
        }
        if (entry.type() != 1) {
            violations.add(Violation.of(Rule.TYPE, at + 16, entry.type()));
        }
        if (entry.granularityBits() > 63) {
            violations.add(Violation.of(Rule.GRANULARITY_BITS, at + 17, entry.granularityBits()));
        } else if (entry.granularityBits() < 9 || entry.granularityBits() > 31) {
            violations.add(
                    Violation.of(Rule.GRANULARITY_SUPPORTED, at + 17, entry.granularityBits()));
        }
        if (entry.nameSize() == 0) {
            violations.add(Violation.of(Rule.NAME_EMPTY, at + 18, 0));
        } else if (entry.nameSize() > MAX_NAME) {
            violations.add(Violation.of(Rule.NAME_SIZE, at + 18, entry.nameSize()));
        }
        if (entry.extraDataSize() != 0) {
            violations.add(Violation.of(Rule.EXTRA_DATA, at + 20, entry.extraDataSize()));
        }
        if (index.duplicates().get(position)) {
            violations.add(
                    new Violation(
                            Rule.NAME_UNIQUE,
                            entry.nameOffset(),
                            "'%s'".formatted(Names.text(name)),
                            ""));
        }
        for (byte b : name) {
            if (b == 0) {
                violations.add(
                        new Violation(
                                Rule.NAME_NUL,
                                entry.nameOffset(),
                                "'%s'".formatted(Names.text(name)),
                                ""));
                break;
            }
        }
    }

    private DirectoryEntry entry(int position) throws IOException {
        long start = index.starts()[position];
        return DirectoryEntry.parse(start, window.view(start, DirectoryEntry.SIZE));
    }

    private byte[] name(DirectoryEntry entry) throws IOException {
        byte[] name = new byte[entry.nameSize()];
        window.view(entry.nameOffset(), entry.nameSize()).get(name);
        return name;
    }

    private byte @Nullable [] extraData(DirectoryEntry entry) throws IOException {
        long size = entry.extraDataSize();
        return size == 0 || size > EXTRA_DATA_SHOWN
                ? null
                : window.copy(entry.fileOffset() + DirectoryEntry.SIZE, (int) size);
    }
}
