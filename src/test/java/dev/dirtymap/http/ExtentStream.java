package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dirtymap.testimages.Range;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.cbor.CBORMapper;

/// A list of extents as a client reads it that knows no more than the contract.
///
/// @param head what precedes the extents; empty in formats that have no place for it
/// @param end `complete`, `nextCursor`, `extentCount` and `dirtyBytes`, or `problem` and `resumeOffset`
record ExtentStream(ObjectNode head, List<Range> extents, ObjectNode end) {

    static final List<String> TYPES =
            List.of("application/x-ndjson", "text/csv", "text/plain", "application/cbor");

    private static final CBORMapper CBOR =
            CBORMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private static final Pattern ROW = Pattern.compile("(\\d+)[ ,](\\d+)(?:[ ,](dirty|clean))?");
    private static final Pattern END =
            Pattern.compile(
                    "# (complete|limit) extents=(\\d+) dirtyBytes=(\\d+)(?: nextCursor=(\\S+))?");
    private static final Pattern ERROR =
            Pattern.compile("# error (/problems/[a-z-]+) resumeOffset=(\\d+)");

    /// The list has no end, or is none.
    static final class IncompleteException extends Exception {

        private static final long serialVersionUID = 1L;

        IncompleteException(String message, @Nullable Exception cause) {
            super(message, cause);
        }
    }

    boolean isComplete() {
        return end.path("complete").asBoolean(false);
    }

    String nextCursor() {
        return end.path("nextCursor").asString("");
    }

    /// Reads a whole list.
    ///
    /// @param state the `state` that was asked for
    /// @throws IncompleteException if the list stops before its end
    static ExtentStream read(String type, byte[] body, String state) throws IncompleteException {
        return switch (type) {
            case "application/cbor" -> cbor(body, state);
            case "application/x-ndjson" -> ndjson(lines(body), state);
            case "text/csv" -> rows(lines(body), state, ",");
            case "text/plain" -> rows(lines(body), state, " ");
            default -> throw new AssertionError(type);
        };
    }

    private static List<String> lines(byte[] body) throws IncompleteException {
        String text = new String(body, UTF_8);
        if (!text.endsWith("\n")) {
            throw new IncompleteException("the last line does not end", null);
        }
        return Arrays.asList(text.substring(0, text.length() - 1).split("\n", -1));
    }

    private static ExtentStream ndjson(List<String> lines, String state)
            throws IncompleteException {
        List<ObjectNode> records = new ArrayList<>();
        for (String line : lines) {
            records.add((ObjectNode) JsonMapper.shared().readTree(line));
        }
        ObjectNode head = records.removeFirst();
        require("header", head);
        if (records.isEmpty() || !records.getLast().has("record")) {
            throw new IncompleteException("there is no end", null);
        }
        ObjectNode end = records.removeLast();
        require(end.has("problem") ? "error" : "end", end);
        ObjectNode page = JsonNodeFactory.instance.objectNode();
        page.putArray("extents").addAll(records);
        return checked(head, DirtyRanges.of(page, state), end);
    }

    private static void require(String kind, ObjectNode node) {
        if (!node.remove("record").asString().equals(kind)) {
            throw new AssertionError("must be of kind %s: %s".formatted(kind, node));
        }
    }

    private static ExtentStream rows(List<String> lines, String state, String separator)
            throws IncompleteException {
        boolean both = state.equals("ALL");
        List<String> rows = new ArrayList<>(lines);
        if (separator.equals(",")) {
            String names = both ? "offset,length,state" : "offset,length";
            if (!rows.removeFirst().equals(names)) {
                throw new AssertionError("must begin with a row of names: " + lines.getFirst());
            }
        }
        if (rows.isEmpty() || !rows.getLast().startsWith("#")) {
            throw new IncompleteException("there is no end", null);
        }
        ObjectNode end = end(rows.removeLast());
        List<Range> extents = new ArrayList<>();
        for (String row : rows) {
            Matcher matcher = ROW.matcher(row);
            if (!matcher.matches()
                    || (matcher.group(3) != null) != both
                    || row.split(separator, -1).length != (both ? 3 : 2)) {
                throw new AssertionError("no row: " + row);
            }
            extents.add(
                    new Range(
                            Long.parseLong(matcher.group(1)),
                            Long.parseLong(matcher.group(2)),
                            both ? matcher.group(3).equals("dirty") : state.equals("DIRTY")));
        }
        return checked(JsonNodeFactory.instance.objectNode(), extents, end);
    }

    private static ObjectNode end(String line) {
        ObjectNode end = JsonNodeFactory.instance.objectNode();
        Matcher error = ERROR.matcher(line);
        if (error.matches()) {
            end.putObject("problem").put("type", error.group(1));
            return end.put("resumeOffset", Long.parseLong(error.group(2)));
        }
        Matcher matcher = END.matcher(line);
        if (!matcher.matches()) {
            throw new AssertionError("no end: " + line);
        }
        end.put("complete", matcher.group(1).equals("complete"));
        if (matcher.group(4) != null) {
            end.put("nextCursor", matcher.group(4));
        }
        return end.put("extentCount", Long.parseLong(matcher.group(2)))
                .put("dirtyBytes", Long.parseLong(matcher.group(3)));
    }

    private static ExtentStream cbor(byte[] body, String state) throws IncompleteException {
        ObjectNode object;
        try {
            JsonNode tree = CBOR.readTree(body);
            if (!tree.isObject()) {
                throw new IncompleteException("there is no object", null);
            }
            object = (ObjectNode) tree;
        } catch (JacksonException e) {
            throw new IncompleteException("the object has no end", e);
        }
        List<Range> extents = DirtyRanges.of(object, state);
        object.remove("extents");
        ObjectNode end = JsonNodeFactory.instance.objectNode();
        for (String name :
                List.of(
                        "complete",
                        "nextCursor",
                        "extentCount",
                        "dirtyBytes",
                        "problem",
                        "resumeOffset")) {
            JsonNode value = object.remove(name);
            if (value != null) {
                end.set(name, value);
            }
        }
        return checked(object, extents, end);
    }

    /// Demands that the end fits what precedes it.
    private static ExtentStream checked(ObjectNode head, List<Range> extents, ObjectNode end) {
        ExtentStream stream = new ExtentStream(head, extents, end);
        long dirty = extents.stream().filter(Range::dirty).mapToLong(Range::length).sum();
        boolean fits =
                end.has("problem")
                        ? !stream.isComplete() && end.path("resumeOffset").isIntegralNumber()
                        : end.path("extentCount").asLong(-1) == extents.size()
                                && end.path("dirtyBytes").asLong(-1) == dirty
                                && stream.isComplete() == stream.nextCursor().isEmpty();
        if (!fits) {
            throw new AssertionError(
                    "%d extents, %d bytes dirty, but %s".formatted(extents.size(), dirty, end));
        }
        return stream;
    }
}
