package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.Feature.Word;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;

/// The header (format text, "General"). Big-endian; u32 fields whose limit was checked are `int`.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | magic `QFI\xfb` |
/// | 4 | 4 | version: 2 or 3 |
/// | 8 | 8 | backing_file_offset, 0 for none; ends the extension area |
/// | 16 | 4 | backing_file_size |
/// | 20 | 4 | cluster_bits |
/// | 24 | 8 | size: the virtual size as stored; [#virtualSize] is what counts |
/// | 32 | 4 | crypt_method |
/// | 36 | 4 | l1_size, in entries |
/// | 40 | 8 | l1_table_offset |
/// | 48 | 8 | refcount_table_offset |
/// | 56 | 4 | refcount_table_clusters |
/// | 60 | 4 | nb_snapshots |
/// | 64 | 8 | snapshots_offset |
/// | 72 | 8 | incompatible_features (version 3; 0 in version 2, like the next two) |
/// | 80 | 8 | compatible_features |
/// | 88 | 8 | autoclear_features |
/// | 96 | 4 | refcount_order (version 2: 4) |
/// | 100 | 4 | header_length (version 2: 72); any value from 104 on, not only multiples of 8 |
/// | 104 | 1 | compression_type, if header_length reaches over it |
/// | 105 | | unknown additional fields, up to header_length |
public record Header(
        int version,
        long backingFileOffset,
        int backingFileSize,
        int clusterBits,
        long size,
        int cryptMethod,
        int l1Size,
        long l1TableOffset,
        long refcountTableOffset,
        int refcountTableClusters,
        int snapshotCount,
        long snapshotsOffset,
        long incompatibleFeatures,
        long compatibleFeatures,
        long autoclearFeatures,
        int refcountOrder,
        int headerLength,
        int compressionType) {

    static final int MAGIC = 0x514649fb;
    static final int V2_LENGTH = 72;

    /// Up to refcount_table_clusters. What follows may be missing, to QEMU: it is 0 then.
    private static final int NEEDED_LENGTH = 60;

    static final int V3_MIN_LENGTH = 104;
    static final int COMPRESSION_TYPE_OFFSET = 104;
    static final int MAX_L1_ENTRIES = 4194304;

    private static final int MAX_REFCOUNT_TABLE_BYTES = 8 << 20;
    private static final int MAX_SNAPSHOTS = 65536;

    /// The longest file that QEMU deals with.
    private static final long MAX_FILE_LENGTH = (1L << 63) - (1L << 30);

    private static final int SNAPSHOT_HEADER_BYTES = 40;
    private static final int MAX_BACKING_FILE_NAME = 1023;

    /// Reads and checks the header, in QEMU's order (`qcow2_do_open`).
    ///
    /// @return empty if the file does not start with the magic: it is no qcow2 file at all
    /// @throws FormatException naming the first rule that is broken
    static Optional<Header> read(Window window) throws IOException {
        if (!window.holds(0, 4) || window.view(0, 4).getInt() != MAGIC) {
            return Optional.empty();
        }
        require(window.holds(0, NEEDED_LENGTH), Rule.FILE_TOO_SHORT, 0, window.fileSize());
        ByteBuffer fixed = window.view(0, NEEDED_LENGTH);
        int version = fixed.getInt(4);
        require(version == 2 || version == 3, Rule.VERSION, 4, u32(version));
        int clusterBits = fixed.getInt(20);
        require(clusterBits >= 9 && clusterBits <= 21, Rule.CLUSTER_BITS, 20, u32(clusterBits));
        int headerLength = V2_LENGTH;
        if (version == 3) {
            require(window.holds(0, V3_MIN_LENGTH), Rule.FILE_TOO_SHORT, 0, window.fileSize());
            headerLength = window.view(0, V3_MIN_LENGTH).getInt(100);
            require(
                    headerLength >= V3_MIN_LENGTH && headerLength <= 1 << clusterBits,
                    Rule.HEADER_LENGTH,
                    100,
                    u32(headerLength));
        }
        require(window.holds(0, headerLength), Rule.HEADER_TRUNCATED, 0, window.fileSize());
        boolean typed = headerLength > COMPRESSION_TYPE_OFFSET;
        ByteBuffer bytes =
                window.view(0, version == 2 ? V2_LENGTH : V3_MIN_LENGTH + (typed ? 1 : 0));
        Header header =
                new Header(
                        version,
                        bytes.getLong(8),
                        bytes.getInt(16),
                        clusterBits,
                        bytes.getLong(24),
                        bytes.getInt(32),
                        bytes.getInt(36),
                        bytes.getLong(40),
                        bytes.getLong(48),
                        bytes.getInt(56),
                        bytes.getInt(60),
                        bytes.getLong(64),
                        version == 2 ? 0 : bytes.getLong(72),
                        version == 2 ? 0 : bytes.getLong(80),
                        version == 2 ? 0 : bytes.getLong(88),
                        version == 2 ? 4 : bytes.getInt(96),
                        headerLength,
                        typed ? bytes.get(COMPRESSION_TYPE_OFFSET) & 0xff : 0);
        header.check();
        return Optional.of(header);
    }

    private void check() throws FormatException {
        require(
                Long.compareUnsigned(backingFileOffset, clusterSize()) <= 0,
                Rule.BACKING_FILE_OFFSET,
                8,
                backingFileOffset);
        if (backingFileOffset != 0) {
            require(
                    u32(backingFileSize)
                            <= Math.min(MAX_BACKING_FILE_NAME, clusterSize() - backingFileOffset),
                    Rule.BACKING_FILE_SIZE,
                    16,
                    u32(backingFileSize));
        }
        checkFeatures();
        require(cryptMethod >= 0 && cryptMethod <= 2, Rule.CRYPT_METHOD, 32, u32(cryptMethod));
        require(
                refcountTableClusters != 0
                        && u32(refcountTableClusters) << clusterBits <= MAX_REFCOUNT_TABLE_BYTES,
                Rule.REFCOUNT_TABLE_CLUSTERS,
                56,
                u32(refcountTableClusters));
        requireTable(
                refcountTableOffset,
                (long) refcountTableClusters << clusterBits,
                Rule.REFCOUNT_TABLE_OFFSET,
                48);
        require(u32(snapshotCount) <= MAX_SNAPSHOTS, Rule.SNAPSHOT_COUNT, 60, u32(snapshotCount));
        requireTable(
                snapshotsOffset,
                (long) snapshotCount * SNAPSHOT_HEADER_BYTES,
                Rule.SNAPSHOTS_OFFSET,
                64);
        require(u32(l1Size) <= MAX_L1_ENTRIES, Rule.L1_SIZE, 36, u32(l1Size));
        require(size >= 0, Rule.VIRTUAL_SIZE, 24, size);
        long needed = addressing().l1EntriesFor(size);
        if (l1Size < needed) {
            throw Violation.of(
                            Rule.L1_COVERS_SIZE,
                            36,
                            l1Size,
                            "here %d entries for %d bytes".formatted(needed, size))
                    .asException();
        }
        requireTable(l1TableOffset, (long) l1Size * Long.BYTES, Rule.L1_TABLE_OFFSET, 40);
    }

    private void checkFeatures() throws FormatException {
        if (Feature.unknown(Word.INCOMPATIBLE, incompatibleFeatures) != 0) {
            throw Violation.ofHex(Rule.INCOMPATIBLE_FEATURES, 72, incompatibleFeatures)
                    .asException();
        }
        require(
                compressionType <= 1,
                Rule.COMPRESSION_TYPE,
                COMPRESSION_TYPE_OFFSET,
                compressionType);
        if (has(Feature.COMPRESSION_TYPE) != (compressionType != 0)) {
            throw Violation.ofHex(Rule.COMPRESSION_BIT, 72, incompatibleFeatures).asException();
        }
        require(
                !has(Feature.EXTENDED_L2) || clusterBits >= 14,
                Rule.EXTENDED_L2_CLUSTER_BITS,
                20,
                clusterBits);
        require(
                refcountOrder >= 0 && refcountOrder <= 6,
                Rule.REFCOUNT_ORDER,
                96,
                u32(refcountOrder));
        if (has(Feature.RAW_DATA_FILE) && !has(Feature.DATA_FILE)) {
            throw Violation.ofHex(Rule.RAW_DATA_FILE, 88, autoclearFeatures).asException();
        }
    }

    /// Whether a feature bit is set.
    public boolean has(Feature feature) {
        return feature.in(features(feature.word()));
    }

    /// One of the three feature words.
    public long features(Word word) {
        return switch (word) {
            case INCOMPATIBLE -> incompatibleFeatures;
            case COMPATIBLE -> compatibleFeatures;
            case AUTOCLEAR -> autoclearFeatures;
        };
    }

    /// Bytes of one cluster: 512 to 2 MiB.
    public int clusterSize() {
        return 1 << clusterBits;
    }

    /// The size of the virtual disk in bytes as QEMU uses it: [#size] rounded down to 512.
    public long virtualSize() {
        return size & -512L;
    }

    /// Bits of one refcount: 1 to 64.
    public int refcountBits() {
        return 1 << refcountOrder;
    }

    public Compression compression() {
        return compressionType == 0 ? Compression.ZLIB : Compression.ZSTD;
    }

    public Encryption encryption() {
        return switch (cryptMethod) {
            case 0 -> Encryption.NONE;
            case 1 -> Encryption.AES;
            default -> Encryption.LUKS;
        };
    }

    /// How guest offsets are split into L1, L2 and cluster offsets.
    public Addressing addressing() {
        return new Addressing(clusterBits, has(Feature.EXTENDED_L2));
    }

    /// Where header extensions stop at the latest, in bytes from the start of the file.
    long extensionsEnd() {
        return backingFileOffset != 0 ? backingFileOffset : clusterSize();
    }

    /// Whether QEMU would read at this offset, be it past the end of the file.
    static boolean isReadable(long offset, long bytes) {
        return offset >= 0 && offset <= MAX_FILE_LENGTH - bytes;
    }

    private void requireTable(long offset, long bytes, Rule rule, int at) throws FormatException {
        require(
                (offset & (clusterSize() - 1)) == 0
                        && (bytes == 0 ? offset >= 0 : isReadable(offset, bytes)),
                rule,
                at,
                offset);
    }

    private static void require(boolean kept, Rule rule, long at, long value)
            throws FormatException {
        if (!kept) {
            throw Violation.of(rule, at, value).asException();
        }
    }

    private static long u32(int value) {
        return Integer.toUnsignedLong(value);
    }
}
