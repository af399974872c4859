package dev.dirtymap.qcow2;

/// One broken rule at one place.
///
/// @param rule which rule
/// @param fileOffset where the broken field stands, in bytes from the start of the file
/// @param value what stands there, as a person writes it
/// @param detail what it must be in this very image, where the rule's own words are not enough
public record Violation(Rule rule, long fileOffset, String value, String detail) {

    static Violation of(Rule rule, long fileOffset, long value) {
        return new Violation(rule, fileOffset, Long.toUnsignedString(value), "");
    }

    static Violation of(Rule rule, long fileOffset, long value, String detail) {
        return new Violation(rule, fileOffset, Long.toUnsignedString(value), detail);
    }

    static Violation ofHex(Rule rule, long fileOffset, long value) {
        return new Violation(rule, fileOffset, "0x" + Long.toHexString(value), "");
    }

    /// This violation as the reason why the image cannot be read.
    FormatException asException() {
        return new FormatException(this);
    }

    /// The sentence users read: structure, field, offset, value and what it must be.
    @Override
    public String toString() {
        String must = detail.isEmpty() ? rule.mustBe() : rule.mustBe() + " (" + detail + ")";
        return "%s: %s at file offset %s is %s; it must be %s"
                .formatted(
                        rule.structure(),
                        rule.field(),
                        Long.toUnsignedString(fileOffset),
                        value,
                        must);
    }
}
