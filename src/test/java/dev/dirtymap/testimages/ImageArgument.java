package dev.dirtymap.testimages;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/// How an image is named to a QEMU program: without syncing, and with the secret when it is encrypted.
///
/// The header tells whether a secret is needed, so callers need not know: every encrypted image of the tests uses
/// [#SECRET].
final class ImageArgument {

    static final String SECRET = "correct horse battery staple";

    static final String SECRET_ID = "luks";

    static final String SECRET_OBJECT = "secret,id=luks,format=raw,data=" + SECRET;

    private static final int CRYPT_METHOD_OFFSET = 32;

    private ImageArgument() {}

    /// Options that come before the image.
    static List<String> options(Path image) {
        return encrypted(image)
                ? List.of("--object", SECRET_OBJECT, "--image-opts")
                : List.of("--image-opts");
    }

    /// The image itself, relative to its folder.
    static String name(Path image) {
        // Syncing is most of the time of a bitmap command, and no test pulls the plug while QEMU
        // writes.
        return "driver=qcow2,cache.no-flush=on,"
                + (encrypted(image) ? "encrypt.key-secret=luks," : "")
                + "file.driver=file,file.filename=./"
                + image.getFileName().toString().replace(",", ",,");
    }

    static boolean encrypted(Path image) {
        try (var file = new RandomAccessFile(image.toFile(), "r")) {
            if (file.length() < CRYPT_METHOD_OFFSET + Integer.BYTES) {
                return false;
            }
            file.seek(CRYPT_METHOD_OFFSET);
            return file.readInt() != 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
