package dev.dirtymap.access;

import dev.dirtymap.images.Id;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;

/// What becomes known of a request on its way, for the one line that [AuditFilter] logs of it.
public final class AuditTrail {

    private static final String ATTRIBUTE = AuditTrail.class.getName();

    private static final int MAX_BITMAPS = 4000;

    /// One image that is to be changed.
    static final class Entry {
        @Nullable String bitmaps;
        @Nullable String before;
        @Nullable String after;
    }

    private final Map<Id, Entry> entries = new LinkedHashMap<>();
    private @Nullable String problem;

    private AuditTrail() {}

    /// That of a request.
    static AuditTrail of(HttpServletRequest request) {
        if (request.getAttribute(ATTRIBUTE) instanceof AuditTrail known) {
            return known;
        }
        AuditTrail trail = new AuditTrail();
        request.setAttribute(ATTRIBUTE, trail);
        return trail;
    }

    /// That of the request which this thread works for.
    public static AuditTrail current() {
        return of(
                ((ServletRequestAttributes) RequestContextHolder.currentRequestAttributes())
                        .getRequest());
    }

    /// The request ends with a problem of this type.
    public static void problem(HttpServletRequest request, String type) {
        of(request).problem = type;
    }

    private Entry entry(Id image) {
        return Objects.requireNonNull(entries.computeIfAbsent(image, _ -> new Entry()));
    }

    /// These images are to be changed.
    public void images(Collection<Id> images) {
        images.forEach(this::entry);
    }

    /// Which bitmaps of an image it is about, if the path does not say so.
    public void bitmaps(Id image, String text) {
        entry(image).bitmaps =
                text.length() > MAX_BITMAPS ? text.substring(0, MAX_BITMAPS) + "…" : text;
    }

    /// The image's ETag under the change's lock, before it.
    public void before(Id image, String etag) {
        entry(image).before = bare(etag);
    }

    /// The image's ETag under the change's lock, after it.
    public void after(Id image, String etag) {
        entry(image).after = bare(etag);
    }

    /// Without its quotes.
    private static String bare(String etag) {
        return etag.replace("\"", "");
    }

    Map<Id, Entry> entries() {
        return entries;
    }

    @Nullable String problem() {
        return problem;
    }
}
