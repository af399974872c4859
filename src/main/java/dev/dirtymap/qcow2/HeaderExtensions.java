package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// All header extensions, in the order of the file (`qcow2_read_extensions`).
public record HeaderExtensions(List<HeaderExtension> all) {

    private static final int HEAD = 8;
    private static final int LUKS_LENGTH = 16;
    private static final int MAX_BACKING_FORMAT = 15;

    /// Reads the extensions from `header_length` to the end marker, to the backing file name or to the end
    /// of the first cluster, whichever comes first.
    ///
    /// @throws FormatException if a length does not fit, or a LUKS pointer is wrong
    static HeaderExtensions read(Window window, Header header) throws IOException {
        List<HeaderExtension> all = new ArrayList<>();
        long end = header.extensionsEnd();
        long at = header.headerLength();
        while (at < end) {
            // A file may not end before its extensions do: zeros read there would hide the bitmaps.
            if (!window.holds(at, HEAD)) {
                throw Violation.of(Rule.HEADER_TRUNCATED, at, window.fileSize()).asException();
            }
            ByteBuffer head = window.view(at, HEAD);
            int id = head.getInt();
            long length = Integer.toUnsignedLong(head.getInt());
            long data = at + HEAD;
            if (data > end || length > end - data) {
                throw Violation.of(
                                Rule.EXTENSION_LENGTH,
                                at + 4,
                                length,
                                "here at most %d bytes are left".formatted(Math.max(0, end - data)))
                        .asException();
            }
            if (id == HeaderExtension.END) {
                break;
            }
            if (!window.holds(data, length)) {
                throw Violation.of(Rule.HEADER_TRUNCATED, data, window.fileSize()).asException();
            }
            all.add(parse(id, data, window.copy(data, (int) length), header));
            at = data + (length + 7) / 8 * 8;
        }
        HeaderExtensions extensions = new HeaderExtensions(List.copyOf(all));
        if (header.encryption() == Encryption.LUKS
                && extensions.last(HeaderExtension.LuksHeader.class).isEmpty()) {
            throw Violation.of(Rule.LUKS_EXTENSION_MISSING, 32, header.cryptMethod()).asException();
        }
        return extensions;
    }

    private static HeaderExtension parse(int id, long offset, byte[] data, Header header)
            throws FormatException {
        return switch (id) {
            case HeaderExtension.BACKING_FORMAT -> {
                if (data.length > MAX_BACKING_FORMAT) {
                    throw Violation.of(Rule.BACKING_FORMAT_LENGTH, offset - 4, data.length)
                            .asException();
                }
                yield new HeaderExtension.BackingFormat(offset, utf8(data));
            }
            case HeaderExtension.DATA_FILE -> new HeaderExtension.DataFileName(offset, utf8(data));
            case HeaderExtension.FEATURE_NAMES ->
                    HeaderExtension.FeatureNames.parse(offset, ByteBuffer.wrap(data));
            case HeaderExtension.LUKS -> luks(offset, data, header);
            case HeaderExtension.BITMAPS -> new HeaderExtension.Bitmaps(offset, data);
            default -> new HeaderExtension.Unknown(offset, id, data);
        };
    }

    private static HeaderExtension luks(long offset, byte[] data, Header header)
            throws FormatException {
        if (header.encryption() != Encryption.LUKS) {
            throw Violation.ofHex(Rule.LUKS_EXTENSION_UNEXPECTED, offset - 8, HeaderExtension.LUKS)
                    .asException();
        }
        if (data.length != LUKS_LENGTH) {
            throw Violation.of(Rule.LUKS_EXTENSION_LENGTH, offset - 4, data.length).asException();
        }
        ByteBuffer fields = ByteBuffer.wrap(data);
        long luksOffset = fields.getLong();
        if ((luksOffset & (header.clusterSize() - 1)) != 0) {
            throw Violation.of(Rule.LUKS_OFFSET, offset, luksOffset).asException();
        }
        return new HeaderExtension.LuksHeader(offset, luksOffset, fields.getLong());
    }

    /// The last extension of a kind: where one is there twice, QEMU and we take the last.
    public <E extends HeaderExtension> Optional<E> last(Class<E> kind) {
        return all.reversed().stream().filter(kind::isInstance).map(kind::cast).findFirst();
    }

    private static String utf8(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
