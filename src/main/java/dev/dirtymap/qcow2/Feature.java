package dev.dirtymap.qcow2;

import java.util.ArrayList;
import java.util.List;

/// The feature bits of the header (format text, "Feature bits"; header bytes 72 to 95). A bit of a word
/// that no constant names is unknown: an incompatible one forbids reading, a compatible one is kept, an
/// autoclear one is cleared by whoever writes.
public enum Feature {
    /// Refcounts may be wrong (lazy refcounts after a crash).
    DIRTY(Word.INCOMPATIBLE, 0),
    /// A program found the metadata damaged; the image may only be read.
    CORRUPT(Word.INCOMPATIBLE, 1),
    /// Guest clusters live in another file. Bitmaps stay in this one.
    DATA_FILE(Word.INCOMPATIBLE, 2),
    /// `compression_type` is not 0.
    COMPRESSION_TYPE(Word.INCOMPATIBLE, 3),
    /// 16-byte L2 entries with 32 subclusters each.
    EXTENDED_L2(Word.INCOMPATIBLE, 4),
    /// Refcount updates may be postponed, with [#DIRTY] set meanwhile.
    LAZY_REFCOUNTS(Word.COMPATIBLE, 0),
    /// The bitmaps extension is valid.
    BITMAPS(Word.AUTOCLEAR, 0),
    /// The external data file is also a valid raw image.
    RAW_DATA_FILE(Word.AUTOCLEAR, 1);

    /// The three words of the header.
    public enum Word {
        INCOMPATIBLE,
        COMPATIBLE,
        AUTOCLEAR
    }

    private final Word word;
    private final int bit;

    Feature(Word word, int bit) {
        this.word = word;
        this.bit = bit;
    }

    Word word() {
        return word;
    }

    /// Whether the bit is set in a word's value.
    boolean in(long value) {
        return (value >>> bit & 1) != 0;
    }

    /// The bit in a word's value.
    long mask() {
        return 1L << bit;
    }

    /// The bits of a word that no constant names.
    static long unknown(Word word, long value) {
        for (Feature feature : values()) {
            if (feature.word == word) {
                value &= ~(1L << feature.bit);
            }
        }
        return value;
    }

    /// The names of the bits set in a word, in order; an unknown bit 7 is `UNKNOWN_7`.
    public static List<String> names(Word word, long value) {
        List<String> names = new ArrayList<>();
        for (long rest = value; rest != 0; rest &= rest - 1) {
            names.add(name(word, Long.numberOfTrailingZeros(rest)));
        }
        return names;
    }

    private static String name(Word word, int bit) {
        for (Feature feature : values()) {
            if (feature.word == word && feature.bit == bit) {
                return feature.name();
            }
        }
        return "UNKNOWN_" + bit;
    }
}
