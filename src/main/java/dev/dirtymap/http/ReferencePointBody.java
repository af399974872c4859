package dev.dirtymap.http;

import dev.dirtymap.http.JsonReader.Member;
import dev.dirtymap.http.JsonReader.Shape;
import dev.dirtymap.qcow2.ReferencePoint;
import dev.dirtymap.qcow2.ReferencePoints;
import io.swagger.v3.oas.annotations.media.Schema;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// What a bitmap is relative to, as it goes over the wire, in both directions.
@Schema(
        name = "ReferencePoint",
        description =
                "What a bitmap is relative to: which backup holds the state in which all was clean. At least"
                        + " one of lastBackup, baseBackup and note.")
record ReferencePointBody(
        @Schema(
                        description =
                                "The backup that the bitmap counts from: a path, a URL, anything.",
                        example = "s3://backups/disk0/2026-11-23")
                @Nullable String lastBackup,
        @Schema(
                        description = "The backup that this one builds on.",
                        example = "s3://backups/disk0/2026-11-22")
                @Nullable String baseBackup,
        @Schema(description = "Anything else worth knowing.", example = "nightly")
                @Nullable String note,
        @Schema(
                        description =
                                "When this was said, to the millisecond; in a request the time of the request"
                                        + " by default.",
                        example = "2026-11-23T02:00:00Z")
                @Nullable Instant setAt) {

    private static final String LAST_BACKUP = "lastBackup";
    private static final String BASE_BACKUP = "baseBackup";
    private static final String NOTE = "note";
    private static final String SET_AT = "setAt";

    private static final Pattern RFC_3339 =
            Pattern.compile(
                    "\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?([Zz]|[+-]\\d{2}:\\d{2})");

    private static final Instant FIRST = Instant.parse("0000-01-01T00:00:00Z");
    private static final Instant LAST = Instant.parse("9999-12-31T23:59:59.999Z");

    private static final Shape<String> TEXT = JsonReader.text(ReferencePointBody::text);
    private static final Shape<Instant> TIME = JsonReader.text(ReferencePointBody::time);

    /// A whole reference point.
    static final Shape<ReferencePointBody> SHAPE =
            JsonReader.object(
                    List.of(
                            Member.optional(LAST_BACKUP, TEXT),
                            Member.optional(BASE_BACKUP, TEXT),
                            Member.optional(NOTE, TEXT),
                            Member.optional(SET_AT, TIME)),
                    members -> {
                        ReferencePointBody body = of(members);
                        if (!body.isEmpty()) {
                            return body;
                        }
                        members.refuse(
                                "", "must have at least one of lastBackup, baseBackup and note");
                        return null;
                    });

    /// Changes of a reference point (RFC 7396).
    static final Shape<Patch> PATCH =
            JsonReader.object(
                    List.of(
                            Member.removable(LAST_BACKUP, TEXT),
                            Member.removable(BASE_BACKUP, TEXT),
                            Member.removable(NOTE, TEXT),
                            Member.removable(SET_AT, TIME)),
                    members ->
                            new Patch(
                                    of(members),
                                    members.has(LAST_BACKUP),
                                    members.has(BASE_BACKUP),
                                    members.has(NOTE),
                                    members.has(SET_AT)));

    private static ReferencePointBody of(JsonReader.Members members) {
        return new ReferencePointBody(
                members.get(LAST_BACKUP, String.class),
                members.get(BASE_BACKUP, String.class),
                members.get(NOTE, String.class),
                members.get(SET_AT, Instant.class));
    }

    private static String text(String text) {
        int length = text.getBytes(StandardCharsets.UTF_8).length;
        if (length > ReferencePoints.MAX_TEXT) {
            throw new IllegalArgumentException(
                    "must have at most %d bytes in UTF-8, but had %d"
                            .formatted(ReferencePoints.MAX_TEXT, length));
        }
        return text;
    }

    private static Instant time(String text) {
        if (RFC_3339.matcher(text).matches()) {
            try {
                Instant time = OffsetDateTime.parse(text).toInstant();
                if (!time.isBefore(FIRST) && !time.isAfter(LAST)) {
                    return time.truncatedTo(ChronoUnit.MILLIS);
                }
            } catch (DateTimeException e) {
                // Told below.
            }
        }
        throw new IllegalArgumentException(
                "must be a time as in 2026-11-23T02:00:00Z (RFC 3339), but was '%s'"
                        .formatted(JsonReader.shortened(text)));
    }

    private boolean isEmpty() {
        return lastBackup == null && baseBackup == null && note == null;
    }

    static @Nullable ReferencePointBody of(@Nullable ReferencePoint point) {
        return point == null
                ? null
                : new ReferencePointBody(
                        point.lastBackup(), point.baseBackup(), point.note(), point.setAt());
    }

    /// As the image keeps it.
    ReferencePoint toPoint() {
        Instant time = setAt == null ? Instant.now().truncatedTo(ChronoUnit.MILLIS) : setAt;
        return new ReferencePoint(lastBackup, baseBackup, note, time);
    }

    /// The reference point of an optional member.
    static @Nullable ReferencePoint point(@Nullable ReferencePointBody body) {
        return body == null ? null : body.toPoint();
    }

    /// Which members are given, with their values; null removes.
    record Patch(
            ReferencePointBody values,
            boolean lastBackup,
            boolean baseBackup,
            boolean note,
            boolean setAt) {

        /// The new reference point.
        ///
        /// @throws ProblemException 400 if nothing would be left of it
        ReferencePoint applyTo(@Nullable ReferencePoint old) {
            ReferencePointBody before = of(old);
            if (before == null) {
                before = new ReferencePointBody(null, null, null, null);
            }
            ReferencePointBody after =
                    new ReferencePointBody(
                            lastBackup ? values.lastBackup : before.lastBackup,
                            baseBackup ? values.baseBackup : before.baseBackup,
                            note ? values.note : before.note,
                            setAt ? values.setAt : before.setAt);
            if (after.isEmpty()) {
                throw ProblemException.inBody(
                        "/referencePoint",
                        "must leave at least one of lastBackup, baseBackup and note; null in place of the"
                                + " object removes it");
            }
            return after.toPoint();
        }
    }
}
