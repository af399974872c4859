package dev.dirtymap.http;

import java.util.Locale;
import java.util.Optional;
import org.springframework.http.HttpStatus;

/// Every kind of problem the service answers with (RFC 9457). The constant's name in lower case with dashes
/// is the slug of its `type`, `/problems/<slug>`, which answers with a page made from these texts.
enum ProblemType {
    INVALID_REQUEST(
            HttpStatus.BAD_REQUEST,
            "Invalid request",
            "A parameter, an id or the body is not what the operation takes. Unknown parameters and fields are"
                    + " refused too, so that a typo never changes a meaning.",
            "Correct what the detail names and send the request again."),
    CURSOR_INVALID(
            HttpStatus.BAD_REQUEST,
            "Invalid cursor",
            "The cursor was altered, belongs to another resource, or was made for other parameters.",
            "Start again without a cursor, and send each nextCursor back as it came, to the same resource."),
    UNAUTHENTICATED(
            HttpStatus.UNAUTHORIZED,
            "Unauthenticated",
            "The request carries no token, or one that is not known, has expired or was made for another service.",
            "Send a valid token in the header 'Authorization: Bearer <token>'; the operator of the service makes them."),
    INSUFFICIENT_SCOPE(
            HttpStatus.FORBIDDEN,
            "Insufficient scope",
            "The token is valid, but lacks the scope that the operation needs, or is limited to certain images where"
                    + " all are spoken of.",
            "Use a token with the scope that the detail names, or ask the operator of the service for one."),
    NOT_FOUND(
            HttpStatus.NOT_FOUND,
            "Not found",
            "There is no resource at this path.",
            "Look up the paths in /swagger-ui.html or /v3/api-docs."),
    IMAGE_NOT_FOUND(
            HttpStatus.NOT_FOUND,
            "Image not found",
            "There is no regular qcow2 file of this name below the root folder. Symbolic links, devices and"
                    + " files of other formats are treated as absent.",
            "List the images with GET /v1/images and use an id from there."),
    BITMAP_NOT_FOUND(
            HttpStatus.NOT_FOUND,
            "Bitmap not found",
            "The image has no bitmap of this name.",
            "List the bitmaps with GET /v1/images/{image}/bitmaps and use an id from there."),
    METHOD_NOT_ALLOWED(
            HttpStatus.METHOD_NOT_ALLOWED,
            "Method not allowed",
            "The resource does not know this method.",
            "Use one of the methods in the Allow header."),
    NOT_ACCEPTABLE(
            HttpStatus.NOT_ACCEPTABLE,
            "Not acceptable",
            "The resource has no representation that the Accept header allows.",
            "Leave out the Accept header, or accept what the detail names."),
    IMAGE_EXISTS(
            HttpStatus.CONFLICT,
            "Image exists",
            "A file of this name is there already, and files are never overwritten.",
            "Choose another name."),
    BITMAP_EXISTS(
            HttpStatus.CONFLICT,
            "Bitmap exists",
            "The image has a bitmap of this name already.",
            "Choose another name, or delete the bitmap first."),
    BITMAP_INCONSISTENT(
            HttpStatus.CONFLICT,
            "Bitmap inconsistent",
            "The program that kept the bitmap ended without storing it (in_use is set), so its content says"
                    + " nothing about what changed.",
            "Take a full backup, and delete the bitmap with DELETE /v1/images/{image}/bitmaps/{bitmap}."),
    BITMAPS_ORPHANED(
            HttpStatus.CONFLICT,
            "Bitmaps orphaned",
            "A program that does not know bitmaps changed the image (autoclear bit 0 is not set), so no bitmap"
                    + " of it can be trusted.",
            "Take a full backup, delete the bitmaps with DELETE /v1/images/{image}/bitmaps?state=ORPHANED, and"
                    + " create new ones."),
    BITMAP_CORRUPT(
            HttpStatus.CONFLICT,
            "Bitmap corrupt",
            "A structure of the bitmap breaks the format or points past the end of the file.",
            "Take a full backup, and give up what is broken with POST /v1/images/{image}/check"
                    + " {\"repair\":\"BITMAPS\"}."),
    IMAGE_DIRTY(
            HttpStatus.CONFLICT,
            "Image dirty",
            "The image's dirty bit is set: its refcounts cannot be trusted, so nothing may be changed.",
            "Let QEMU repair the image: qemu-img check -r all."),
    IMAGE_CORRUPT(
            HttpStatus.CONFLICT,
            "Image corrupt",
            "The image's corrupt bit is set: a program found its metadata damaged.",
            "Give up what is damaged of the bitmaps with POST /v1/images/{image}/check and repair BITMAPS, then let"
                    + " QEMU repair the rest: qemu-img check -r all."),
    CONTENT_CHANGED(
            HttpStatus.CONFLICT,
            "Content changed",
            "The image changed since the cursor was made or while it was read. Pages of different contents"
                    + " must not be mixed.",
            "Start the list again without a cursor."),
    TRANSACTION_UNFINISHED(
            HttpStatus.CONFLICT,
            "Transaction unfinished",
            "An earlier change over several images was cut short, and another program has changed one of them"
                    + " since.",
            "Follow the runbook (docs/runbook.md, \"Unfinished transactions\") for the journal that the"
                    + " problem names."),
    PRECONDITION_FAILED(
            HttpStatus.PRECONDITION_FAILED,
            "Precondition failed",
            "The resource is not at the ETag that If-Match names.",
            "Read the resource again and decide anew."),
    REQUEST_TOO_LARGE(
            HttpStatus.CONTENT_TOO_LARGE,
            "Request too large",
            "The request is larger than the service takes.",
            "Send less at once."),
    UNSUPPORTED_MEDIA_TYPE(
            HttpStatus.UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            "The body's media type is not one that the operation takes.",
            "Send the media type that the detail names."),
    RANGE_NOT_SATISFIABLE(
            HttpStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "Range not satisfiable",
            "The offset or range lies beyond the end of the disk, or the byte range beyond the end of the bits.",
            "Ask within the size that the problem names."),
    IMAGE_UNREADABLE(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Image unreadable",
            "The file claims to be a qcow2 image but breaks the format, or the service may not read it.",
            "Check the file with qemu-img check, and the service's rights to it."),
    IMAGE_READ_ONLY(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Image read-only",
            "The service may read the image but not write to it.",
            "Give the service's user the right to write to the file and its folder."),
    IMAGE_VERSION(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Image version",
            "Version 2 images cannot hold bitmaps.",
            "Upgrade the image: qemu-img amend -o compat=1.1."),
    UNSUPPORTED_FEATURE(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Unsupported feature",
            "The image uses an incompatible feature that this service does not know.",
            "Use a newer release that knows the feature."),
    BITMAP_UNSUPPORTED(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Bitmap unsupported",
            "The bitmap is legal but of a type, or with a flag, extra data or granularity, that this service"
                    + " or QEMU does not know.",
            "Use the program that made the bitmap, or take a full backup."),
    LIMIT_EXCEEDED(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Limit exceeded",
            "A limit of the format or of QEMU would be exceeded.",
            "Use fewer bitmaps or a larger granularity."),
    SIZE_MISMATCH(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Size mismatch",
            "The bitmaps belong to disks of different sizes.",
            "Use bitmaps of disks of the same size."),
    HEADER_FULL(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Header full",
            "There is no room left in the image's first cluster.",
            "Shorten or remove reference points."),
    BACKING_UNAVAILABLE(
            HttpStatus.UNPROCESSABLE_CONTENT,
            "Backing file unavailable",
            "A backing or data file is missing, cannot be read, or lies outside the root folder.",
            "Put the file below the root folder."),
    IMAGE_LOCKED(
            HttpStatus.LOCKED,
            "Image locked",
            "A program holds the image for writing: what is in the file is out of date.",
            "Try again later, or ask the program that holds the image."),
    TOO_MANY_REQUESTS(
            HttpStatus.TOO_MANY_REQUESTS,
            "Too many requests",
            "The caller sends more than its share.",
            "Wait as long as Retry-After says."),
    INTERNAL_ERROR(
            HttpStatus.INTERNAL_SERVER_ERROR,
            "Internal error",
            "The service failed in a way it did not foresee, or the disk did.",
            "Look for the request id in the service's log."),
    OVERLOADED(
            HttpStatus.SERVICE_UNAVAILABLE,
            "Overloaded",
            "Too much is going on at once, or the keys to check tokens with cannot be had.",
            "Wait as long as Retry-After says."),
    SHUTTING_DOWN(
            HttpStatus.SERVICE_UNAVAILABLE,
            "Shutting down",
            "The service is stopping and takes no new requests.",
            "Use another replica, or wait until it is back."),
    INSUFFICIENT_STORAGE(
            HttpStatus.INSUFFICIENT_STORAGE,
            "Insufficient storage",
            "There is not enough room on the file system; nothing was changed.",
            "Free some space.");

    private final HttpStatus status;
    private final String title;
    private final String explanation;
    private final String remedy;

    ProblemType(HttpStatus status, String title, String explanation, String remedy) {
        this.status = status;
        this.title = title;
        this.explanation = explanation;
        this.remedy = remedy;
    }

    HttpStatus status() {
        return status;
    }

    String title() {
        return title;
    }

    /// What it means, in a sentence or two.
    String explanation() {
        return explanation;
    }

    /// What to do next, in one sentence.
    String remedy() {
        return remedy;
    }

    String slug() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// The path that names the type and explains it.
    String path() {
        return "/problems/" + slug();
    }

    static Optional<ProblemType> ofSlug(String slug) {
        for (ProblemType type : values()) {
            if (type.slug().equals(slug)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    /// The type for a status that nothing more is known about.
    static ProblemType ofStatus(int status) {
        return switch (status) {
            case 404 -> NOT_FOUND;
            case 405 -> METHOD_NOT_ALLOWED;
            case 406 -> NOT_ACCEPTABLE;
            case 412 -> PRECONDITION_FAILED;
            case 413, 414, 431 -> REQUEST_TOO_LARGE;
            case 415 -> UNSUPPORTED_MEDIA_TYPE;
            case 416 -> RANGE_NOT_SATISFIABLE;
            case 501, 505 -> INVALID_REQUEST;
            case 503 -> OVERLOADED;
            default -> status >= 400 && status < 500 ? INVALID_REQUEST : INTERNAL_ERROR;
        };
    }
}
