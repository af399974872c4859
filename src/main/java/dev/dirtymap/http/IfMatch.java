package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.LockedImages;
import dev.dirtymap.qcow2.BitmapDirectory;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The precondition of a change (RFC 9110, 13.1.1): which ETag the caller has seen. To be checked where the
/// change is made, under its locks.
final class IfMatch {

    private static final Pattern TAG = Pattern.compile("(W/)?\"[^\"]*\"");

    private final @Nullable String header;
    private final Set<String> strong = new HashSet<>();

    /// @param header null for no precondition
    IfMatch(@Nullable String header) {
        this.header = header;
        if (header != null) {
            Matcher tags = TAG.matcher(header);
            while (tags.find()) {
                // A weak one is never the same (RFC 9110, 8.8.3.2).
                if (tags.group(1) == null) {
                    strong.add(tags.group());
                }
            }
        }
    }

    private boolean isFree() {
        return header == null || header.strip().equals("*");
    }

    /// Demands an image's ETag.
    void requireImage(LockedImages locked, Id image) throws ImageException, IOException {
        if (!isFree()) {
            ImageView view = locked.view(image);
            requireOne("image '%s'".formatted(image.text()), ImageBody.of(image, view).etag());
        }
    }

    /// Demands a bitmap's ETag. A bitmap that is not there is left to the change itself.
    void requireBitmap(LockedImages locked, Id image, Id bitmap)
            throws ImageException, IOException {
        if (!isFree()) {
            ImageView view = locked.view(image);
            BitmapDirectory directory = view.image().bitmaps();
            int position = directory.find(bitmap.name());
            if (position >= 0) {
                String what = "bitmap '%s' of image '%s'".formatted(bitmap.text(), image.text());
                requireOne(what, BitmapBody.etag(image, view, directory.get(position)));
            }
        }
    }

    /// Demands an ETag of something that is not there, which none can have.
    void requireAbsent(String what) {
        if (!isFree()) {
            requireOne(what, "");
        }
    }

    private void requireOne(String what, String etag) {
        if (!strong.contains(etag)) {
            throw new ProblemException(
                    ProblemType.PRECONDITION_FAILED,
                    etag.isEmpty()
                            ? "%s has no strong ETag, so it cannot be at %s".formatted(what, header)
                            : "%s is at %s, not at %s".formatted(what, etag, header));
        }
    }
}
