package dev.dirtymap.qcow2;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// One header extension (format text, "Header extensions"): `u32 id`, `u32 length`, data, padded to 8
/// bytes.
public sealed interface HeaderExtension {

    int END = 0;
    int BACKING_FORMAT = 0xe2792aca;
    int FEATURE_NAMES = 0x6803f857;
    int BITMAPS = 0x23852875;
    int LUKS = 0x0537be77;
    int DATA_FILE = 0x44415441;

    /// Where its data starts, in bytes from the start of the file (the id is 8 bytes before).
    long fileOffset();

    /// The format of the backing file, such as `qcow2` or `raw`.
    record BackingFormat(long fileOffset, String format) implements HeaderExtension {}

    /// The name of an external data file. QEMU resolves it against its working directory.
    record DataFileName(long fileOffset, String name) implements HeaderExtension {}

    /// Names for feature bits, for messages about bits that a program does not know.
    record FeatureNames(long fileOffset, List<FeatureName> names) implements HeaderExtension {

        private static final int ENTRY_SIZE = 48;

        static FeatureNames parse(long fileOffset, ByteBuffer data) {
            List<FeatureName> names = new ArrayList<>();
            while (data.remaining() >= ENTRY_SIZE) {
                int type = data.get() & 0xff;
                int bit = data.get() & 0xff;
                byte[] name = new byte[ENTRY_SIZE - 2];
                data.get(name);
                names.add(new FeatureName(type, bit, text(name)));
            }
            return new FeatureNames(fileOffset, List.copyOf(names));
        }
    }

    /// One 48-byte entry: word (0 incompatible, 1 compatible, 2 autoclear), bit, name.
    record FeatureName(int type, int bit, String name) {}

    /// Where the LUKS header lies.
    ///
    /// @param offset in bytes, a multiple of the cluster size
    /// @param length in bytes
    record LuksHeader(long fileOffset, long offset, long length) implements HeaderExtension {}

    /// The bitmaps extension as it stands: [BitmapDirectory] judges it.
    record Bitmaps(long fileOffset, byte[] data) implements HeaderExtension {}

    /// An extension nobody here knows, to be kept as it is.
    record Unknown(long fileOffset, int id, byte[] data) implements HeaderExtension {}

    /// Bytes up to the first NUL as UTF-8.
    private static String text(byte[] bytes) {
        int length = 0;
        while (length < bytes.length && bytes[length] != 0) {
            length++;
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }
}
