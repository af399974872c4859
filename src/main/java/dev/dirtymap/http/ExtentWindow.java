package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.qcow2.Shape;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What is asked for, and where this page or stream begins.
///
/// @param start first guest byte asked for
/// @param end guest byte after the last
/// @param next first guest byte of this page
record ExtentWindow(Selection selection, Shape shape, long start, long end, long next) {

    private static final String CURSOR = "extents";
    private static final int FIELDS = 9;

    /// Reads the cursor of a request; null if there is none.
    ///
    /// @param subject what the list is of, as a digest
    static @Nullable Cursor cursor(ExtentQuery query, String subject) {
        if (query.cursor() == null) {
            return null;
        }
        Cursor cursor = Cursor.open(query.cursor(), CURSOR, FIELDS);
        cursor.require(0, subject, "image, bitmap or set of bitmaps");
        return cursor;
    }

    /// Refuses a cursor of other content.
    static void requireContent(Cursor cursor, String fingerprint, Id image) {
        if (!cursor.fields().get(5).equals(fingerprint)) {
            throw changed(image, cursor.number(4, 0, Long.MAX_VALUE));
        }
    }

    /// The content is not that of the cursor.
    static ProblemException changed(Id image, long resumeOffset) {
        return new ProblemException(
                        ProblemType.CONTENT_CHANGED,
                        "image '%s' changed since the cursor was made".formatted(image.text()))
                .with("resumeOffset", resumeOffset);
    }

    static ExtentWindow of(ExtentQuery query, long virtualSize, long granularity, Id image) {
        long start = query.offset() == null ? 0 : query.offset();
        if (start > virtualSize) {
            throw new ProblemException(
                            ProblemType.RANGE_NOT_SATISFIABLE,
                            "offset %d lies beyond the end of image '%s', which has %d bytes"
                                    .formatted(start, image.text(), virtualSize))
                    .with("virtualSize", virtualSize);
        }
        return new ExtentWindow(
                query.state() == null ? Selection.DIRTY : query.state(),
                query.shape(granularity),
                start,
                end(start, query.length(), virtualSize),
                start);
    }

    static ExtentWindow of(ExtentQuery query, Cursor cursor, long virtualSize) {
        long end = cursor.number(3, 0, virtualSize);
        long next = cursor.number(4, 0, end);
        long align = cursor.number(6, 1, Long.MAX_VALUE);
        if (Long.bitCount(align) != 1) {
            throw Cursor.invalid("it is not one that this release made");
        }
        Shape shape =
                new Shape(
                        align,
                        cursor.number(7, 0, Long.MAX_VALUE),
                        cursor.number(8, 1, Long.MAX_VALUE));
        ExtentWindow window =
                new ExtentWindow(
                        cursor.name(1, Selection.class),
                        shape,
                        cursor.number(2, 0, next),
                        end,
                        next);
        if (query.state() != null) {
            cursor.require(1, query.state().name(), "state");
        }
        require(cursor, 2, query.offset(), "offset");
        if (query.length() != null
                && end(window.start, query.length(), virtualSize) != window.end) {
            throw Cursor.invalid("it was made for another length");
        }
        require(cursor, 6, query.align(), "align");
        require(cursor, 7, query.gap(), "gap");
        require(cursor, 8, query.maxLength(), "maxLength");
        return window;
    }

    private static void require(Cursor cursor, int field, @Nullable Long value, String what) {
        if (value != null) {
            cursor.require(field, value.toString(), what);
        }
    }

    private static long end(long start, @Nullable Long length, long limit) {
        return length == null || length > limit - start ? limit : start + length;
    }

    /// Whether both dirty and clean extents are listed.
    boolean isOfBoth() {
        return selection == Selection.ALL;
    }

    /// Whether dirty extents, and no others, are listed.
    boolean isOfDirty() {
        return selection == Selection.DIRTY;
    }

    /// A cursor that goes on where this ends.
    String cursorAt(long offset, String subject, String fingerprint) {
        return new Cursor(
                        CURSOR,
                        List.of(
                                subject,
                                selection.name(),
                                Long.toString(start),
                                Long.toString(end),
                                Long.toString(offset),
                                fingerprint,
                                Long.toString(shape.align()),
                                Long.toString(shape.gap()),
                                Long.toString(shape.maxLength())))
                .seal();
    }
}
