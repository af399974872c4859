package dev.dirtymap.http;

import dev.dirtymap.http.ExtentPage.ExtentBody;
import dev.dirtymap.http.ExtentWriter.End;
import dev.dirtymap.http.StreamPlaces.Place;
import dev.dirtymap.images.ContentChangedException;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.qcow2.BitmapReader;
import dev.dirtymap.qcow2.ExtentScanner;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.stereotype.Component;
import org.springframework.web.context.request.ServletWebRequest;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Tells a list of extents as a page or as a stream. A stream is made while it is sent: no lock is held
/// while bytes go out, and nothing in memory grows with the list.
@Component
class ExtentAnswers {

    private static final int DEFAULT_LIMIT = 1000;

    private final StreamPlaces places;
    private final RequestMeters meters;
    private final JsonMapper mapper;

    ExtentAnswers(StreamPlaces places, RequestMeters meters, JsonMapper mapper) {
        this.places = places;
        this.meters = meters;
        this.mapper = mapper;
    }

    /// Opens the list.
    @FunctionalInterface
    interface Opening {
        Listing open() throws ImageException, IOException;
    }

    /// Answers a request.
    ///
    /// @param cursor what [ExtentWindow#cursor] made of the query
    /// @throws ContentChangedException if the content changed before anything was sent
    void answer(
            ExtentQuery query,
            @Nullable Cursor cursor,
            Opening opening,
            HttpServletRequest request,
            HttpServletResponse response)
            throws ImageException, IOException {
        ExtentFormat format = ExtentFormat.of(request);
        if (format == ExtentFormat.JSON || HttpMethod.HEAD.matches(request.getMethod())) {
            Started started = start(query, cursor, opening, format, BitmapReader.MAX_PIECE);
            if (isWanted(started, format, request, response) && started.page != null) {
                meters.extents(format, started.page.extents().size());
                mapper.writeValue(meters.counted(format, response.getOutputStream()), started.page);
            }
            return;
        }
        try (Place place = places.take()) {
            int piece = place.isLarge() ? BitmapReader.MAX_PIECE : ExtentScanner.FIRST_PIECE;
            Started started = start(query, cursor, opening, format, piece);
            if (isWanted(started, format, request, response)) {
                OutputStream out = place.timed(meters.counted(format, response.getOutputStream()));
                long count = stream(started, writer(format, started, out), place, request);
                meters.extents(format, count);
            }
        }
    }

    /// Tells the headers, and all there is to tell if the client has this very answer.
    private static boolean isWanted(
            Started started,
            ExtentFormat format,
            HttpServletRequest request,
            HttpServletResponse response) {
        String etag =
                Digest.weakEtag(
                        started.listing.subject(),
                        started.listing.fingerprint(),
                        started.window,
                        started.limit,
                        format);
        response.addHeader(HttpHeaders.VARY, HttpHeaders.ACCEPT);
        if (new ServletWebRequest(request, response).checkNotModified(etag)) {
            return false;
        }
        response.setContentType(format.contentType());
        return true;
    }

    private ExtentWriter writer(ExtentFormat format, Started started, OutputStream out) {
        return switch (format) {
            case NDJSON -> new NdjsonWriter(out, mapper);
            case CSV, TEXT ->
                    new LineWriter(
                            out,
                            format == ExtentFormat.CSV,
                            started.listing.columns().of(started.window));
            case CBOR -> new CborWriter(out);
            case JSON -> throw new IllegalArgumentException("JSON is no stream");
        };
    }

    /// An answer of which nothing was sent yet, though what there is to read can be read.
    ///
    /// @param limit how many extents at most
    /// @param page the whole answer; null for a stream
    /// @param extents what follows `first`
    /// @param first null if there is none
    private record Started(
            Listing listing,
            ExtentWindow window,
            long limit,
            @Nullable ExtentPage page,
            Listing.Bodies extents,
            @Nullable ExtentBody first) {}

    /// @param maxPiece bytes of bits to hold at once
    private static Started start(
            ExtentQuery query,
            @Nullable Cursor cursor,
            Opening opening,
            ExtentFormat format,
            int maxPiece)
            throws ImageException, IOException {
        Listing listing = opening.open();
        if (cursor != null) {
            ExtentWindow.requireContent(cursor, listing.fingerprint(), listing.image());
        }
        ExtentWindow window =
                cursor == null
                        ? ExtentWindow.of(
                                query,
                                listing.virtualSize(),
                                listing.granularity(),
                                listing.image())
                        : ExtentWindow.of(query, cursor, listing.virtualSize());
        try {
            Listing.Bodies extents = listing.extents().within(window, maxPiece);
            ExtentBody first = extents.next();
            if (format == ExtentFormat.JSON) {
                int limit = query.limit() == null ? DEFAULT_LIMIT : query.limit();
                ExtentPage page = page(listing, window, limit, extents, first);
                return new Started(listing, window, limit, page, extents, first);
            }
            long limit = query.limit() == null ? Long.MAX_VALUE : query.limit();
            return new Started(listing, window, limit, null, extents, first);
        } catch (ContentChangedException e) {
            if (cursor != null) {
                throw ExtentWindow.changed(listing.image(), window.next());
            }
            throw e;
        }
    }

    private static ExtentPage page(
            Listing listing,
            ExtentWindow window,
            int limit,
            Listing.Bodies extents,
            @Nullable ExtentBody first)
            throws IOException {
        List<ExtentBody> listed = new ArrayList<>();
        // One more than wanted: where it begins, the next page does.
        ExtentBody extent = first;
        while (extent != null && listed.size() < limit) {
            listed.add(extent);
            extent = extents.next();
        }
        long end = extent == null ? window.end() : extent.offset();
        return listing.head()
                .of(window)
                .with(
                        end - window.next(),
                        listed,
                        extent == null
                                ? null
                                : window.cursorAt(end, listing.subject(), listing.fingerprint()));
    }

    /// @return how many extents were sent
    private long stream(
            Started started, ExtentWriter writer, Place place, HttpServletRequest request)
            throws IOException {
        ObjectNode head = mapper.valueToTree(started.listing.head().of(started.window));
        head.remove(List.of("extents", "complete"));
        writer.head(head);
        ExtentBody extent = started.first;
        boolean both = started.window.isOfBoth();
        boolean dirty = started.window.isOfDirty();
        long count = 0;
        long dirtyBytes = 0;
        while (extent != null && count < started.limit) {
            writer.extent(extent);
            count++;
            if (both ? Boolean.TRUE.equals(extent.dirty()) : dirty) {
                dirtyBytes += extent.length();
            }
            long sent = extent.offset() + extent.length();
            try {
                place.requireStay();
                extent = started.extents.next();
            } catch (IOException | ProblemException e) {
                // Only reading failed: the client can still be told.
                Problem problem = ProblemHandler.told(e, request);
                meters.problem(problem.type());
                writer.failed(mapper.valueToTree(problem), sent);
                writer.flush();
                return count;
            }
        }
        String next =
                extent == null
                        ? ""
                        : started.window.cursorAt(
                                extent.offset(),
                                started.listing.subject(),
                                started.listing.fingerprint());
        writer.end(new End(next, count, dirtyBytes));
        writer.flush();
        return count;
    }
}
