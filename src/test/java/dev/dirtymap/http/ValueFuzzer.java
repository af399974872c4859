package dev.dirtymap.http;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.StringJoiner;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Makes values from the schemas of the contract: most as they describe them, from names that exist, and some as they
/// do not.
final class ValueFuzzer {

    private static final int KEPT = 20;
    private static final int MOST_DEEP = 6;

    private static final List<String> NUMBERS =
            List.of(
                    "-1",
                    "0",
                    "1",
                    "511",
                    "513",
                    "65537",
                    "2147483648",
                    "4294967296",
                    "9223372036854775807",
                    "9223372036854775808",
                    "-9223372036854775808",
                    "1.5",
                    "1e3",
                    "1e400",
                    "-0");

    private static final List<String> TEXTS =
            List.of(
                    "",
                    " ",
                    "\u0000",
                    "\n",
                    "../x",
                    "/etc/passwd",
                    "~",
                    "~zz",
                    "\u00e9",
                    "\ud83d\ude00",
                    "\ud800",
                    "x".repeat(1023),
                    "x".repeat(1024),
                    "x".repeat(5000),
                    "null",
                    "${jndi:ldap://x}",
                    "'; DROP TABLE",
                    "*");

    private static final List<String> ODD_IDS =
            List.of(
                    "~",
                    "~2f",
                    "~61",
                    "absent",
                    "..~2Fx",
                    "~2E",
                    "%2F",
                    "%00",
                    "a;b",
                    "a b".replace(" ", "%20"),
                    "%C3%A9",
                    "~C3~A9",
                    "x".repeat(2000),
                    "~FF".repeat(1023),
                    ".dirtymap~2Fx");

    /// What each operation takes besides op and bitmap.
    private static final Map<String, List<String>> OPERATIONS =
            Map.of(
                    "CREATE", List.of("granularity", "enabled", "referencePoint"),
                    "DELETE", List.of(),
                    "CLEAR", List.of("referencePoint"),
                    "ENABLE", List.of(),
                    "DISABLE", List.of(),
                    "MERGE", List.of("sources"),
                    "COPY", List.of("name", "granularity", "enabled"),
                    "RENAME", List.of("name"));

    private final Contract contract;
    private final Random random;
    private final List<String> images;
    private final List<String> bitmaps = List.of("a", "b", "c", "d", "e f", "g\u00e9", "h");
    private final Deque<String> cursors = new ArrayDeque<>();
    private final Deque<String> etags = new ArrayDeque<>();

    /// @param images the names of images that are there
    ValueFuzzer(Contract contract, Random random, List<String> images) {
        this.contract = contract;
        this.random = random;
        this.images = images;
    }

    /// Remembers what an answer gave, to be sent back some time.
    void learn(RawAnswer answer) {
        String etag = answer.headers().get("ETag");
        if (etag != null) {
            keep(etags, etag);
        }
        int cursor = answer.body().indexOf("\"nextCursor\":\"");
        if (cursor >= 0) {
            int start = cursor + "\"nextCursor\":\"".length();
            keep(cursors, answer.body().substring(start, answer.body().indexOf('"', start)));
        }
    }

    private static void keep(Deque<String> kept, String value) {
        kept.addFirst(value);
        if (kept.size() > KEPT) {
            kept.removeLast();
        }
    }

    String imageId() {
        return id(pick(images));
    }

    String bitmapId() {
        return id(pick(bitmaps));
    }

    String oddId() {
        return pick(ODD_IDS);
    }

    private static String id(String name) {
        return dev.dirtymap.images.Id.of(name.getBytes(java.nio.charset.StandardCharsets.UTF_8))
                .toString();
    }

    /// A value of a parameter of a query or of a header.
    String parameter(JsonNode parameter, boolean sane) {
        if (!sane && odd(3)) {
            return odd(2) ? pick(NUMBERS) : pick(TEXTS);
        }
        String name = parameter.path("name").asString();
        return switch (name) {
            case "cursor" -> cursors.isEmpty() || odd(8) ? "AAAA" : pick(List.copyOf(cursors));
            case "If-Match", "If-None-Match" -> etag();
            case "prefix" -> imageId().substring(0, 1);
            case "bitmap" -> bitmapId();
            case "align" -> Long.toString(512L << random.nextInt(30));
            default -> text(value(parameter.path("schema"), name, sane, 0));
        };
    }

    private static String text(String json) {
        return json.startsWith("\"") ? JsonMapper.shared().readTree(json).asString() : json;
    }

    private String etag() {
        return etags.isEmpty() || odd(4)
                ? pick(List.of("*", "\"x\"", "W/\"x\"", "x", "\"a\", \"b\"", "\"", ""))
                : pick(List.copyOf(etags));
    }

    /// A value as JSON.
    ///
    /// @param name of the member that it is for
    String value(JsonNode described, String name, boolean sane, int depth) {
        JsonNode schema = contract.resolve(described);
        if (!sane && odd(12)) {
            return pick(
                    List.of(
                            "null",
                            "true",
                            "[]",
                            "{}",
                            "\"x\"",
                            "7",
                            "[[[]]]",
                            quoted(pick(TEXTS))));
        }
        return switch (schema.path("type").asString("object")) {
            case "object" -> object(schema, sane, depth);
            case "array" -> array(schema, name, sane, depth);
            case "boolean" -> Boolean.toString(random.nextBoolean());
            case "integer" -> number(schema, name, sane);
            default -> quoted(string(schema, name, sane));
        };
    }

    private String object(JsonNode schema, boolean sane, int depth) {
        List<String> chosen = new ArrayList<>();
        List<String> required = new ArrayList<>();
        schema.path("required").forEach(name -> required.add(name.asString()));
        String op = "";
        if (sane && required.contains("op")) {
            op = pick(List.copyOf(OPERATIONS.keySet().stream().sorted().toList()));
            required.add("bitmap");
            required.addAll(OPERATIONS.get(op));
        }
        for (String name : schema.path("properties").propertyNames()) {
            boolean twin = name.endsWith("Id");
            boolean wanted =
                    required.contains(name)
                            ? sane || !odd(20)
                            : op.isEmpty() && (isName(schema, name) ? !twin : !twin && odd(3));
            if (wanted || (!sane && odd(10))) {
                chosen.add(name);
            }
        }
        StringJoiner members = new StringJoiner(",", "{", "}");
        for (String name : chosen) {
            String value =
                    name.equals("op") && !op.isEmpty()
                            ? quoted(op)
                            : depth > MOST_DEEP
                                    ? "1"
                                    : value(
                                            schema.path("properties").path(name),
                                            name,
                                            sane,
                                            depth + 1);
            members.add(quoted(name) + ":" + value);
            if (!sane && odd(25)) {
                members.add(quoted(name) + ":" + value);
            }
        }
        if (!sane && odd(15)) {
            members.add("\"unknown\":" + pick(NUMBERS));
        }
        return members.toString();
    }

    /// Whether one of a name and an id has to be given.
    private static boolean isName(JsonNode schema, String name) {
        JsonNode members = schema.path("properties");
        return name.equals("image") ? members.has("operations") : members.has(name + "Id");
    }

    private String array(JsonNode schema, String name, boolean sane, int depth) {
        int count = sane ? 1 + random.nextInt(3) : random.nextInt(odd(10) ? 200 : 4);
        StringJoiner items = new StringJoiner(",", "[", "]");
        for (int i = 0; i < count && depth <= MOST_DEEP; i++) {
            items.add(value(schema.path("items"), name, sane, depth + 1));
        }
        return items.toString();
    }

    private String number(JsonNode schema, String name, boolean sane) {
        if (!sane && odd(3)) {
            return pick(NUMBERS);
        }
        long least = schema.path("minimum").asLong(0);
        long most = schema.path("maximum").asLong(4 << 20);
        return switch (name) {
            case "granularity" -> Long.toString(512L << random.nextInt(9));
            case "clusterSize" -> Long.toString(512L << random.nextInt(13));
            case "virtualSize" -> Long.toString(512L << random.nextInt(20));
            case "offset", "length" -> Long.toString(1 + random.nextInt(1 << 19));
            default -> Long.toString(random.nextLong(least, most + 1));
        };
    }

    private String string(JsonNode schema, String name, boolean sane) {
        if (!sane && odd(4)) {
            return pick(TEXTS);
        }
        JsonNode names = schema.path("enum");
        if (!names.isMissingNode()) {
            return names.get(random.nextInt(names.size())).asString();
        }
        return switch (name) {
            case "image" -> pick(images);
            case "imageId" -> imageId();
            case "bitmapId", "nameId" -> bitmapId();
            case "ifMatch" -> etag();
            default -> pick(bitmaps);
        };
    }

    /// Bits to upload: now and then as many as an image of 1 MiB has.
    String bits(boolean sane) {
        char[] bits = new char[sane ? 1 << random.nextInt(9) : random.nextInt(3000)];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = (char) random.nextInt(256);
        }
        return new String(bits);
    }

    /// The same JSON, broken.
    String brokenJson(String json) {
        int at = random.nextInt(json.length() + 1);
        return switch (random.nextInt(14)) {
            case 0 -> json.substring(0, at);
            case 1 -> json + json;
            case 2 -> json.substring(0, at) + (char) random.nextInt(256) + json.substring(at);
            case 3 -> "[".repeat(100_000);
            case 4 -> "{\"a\":".repeat(10_000);
            case 5 -> "\u00ef\u00bb\u00bf" + json;
            case 6 ->
                    new String(
                            json.getBytes(java.nio.charset.StandardCharsets.UTF_16),
                            java.nio.charset.StandardCharsets.ISO_8859_1);
            case 7 -> json.replaceFirst(":", ":" + "9".repeat(2000));
            case 8 -> json.replace(":", ":NaN,");
            case 9 -> "/* */" + json;
            case 10 -> "{\"name\":\"" + "x".repeat(200_000) + "\"}";
            case 11 -> json.replace("\"", "'");
            case 12 -> " ".repeat(70_000) + json;
            default -> "";
        };
    }

    private static String quoted(String text) {
        return JsonMapper.shared().writeValueAsString(text);
    }

    private boolean odd(int times) {
        return random.nextInt(times) == 0;
    }

    private <T> T pick(List<T> from) {
        return from.get(random.nextInt(from.size()));
    }
}
