package dev.dirtymap.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLEncoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import tools.jackson.databind.JsonNode;

/// Makes requests from the contract: for each operation such as it describes, and such that break it in one way or
/// another.
///
/// @param random all that it decides by, so that a seed gives the same requests again
/// @param values what parameters and bodies are made of
record RequestFuzzer(Contract contract, Random random, ValueFuzzer values) {

    private static final List<String> METHODS =
            List.of(
                    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO",
                    "get");

    private static final List<String> TYPES =
            List.of(
                    "text/plain",
                    "application/xml",
                    "application/json; charset=utf-16",
                    "application/json;;",
                    "json",
                    "*/*",
                    "application/json, application/json",
                    "multipart/form-data; boundary=x",
                    "application/x-www-form-urlencoded",
                    "");

    private static final List<String> ACCEPTS =
            List.of(
                    "application/json",
                    "application/x-ndjson",
                    "text/csv",
                    "text/plain",
                    "application/cbor",
                    "image/svg+xml",
                    "application/problem+json",
                    "text/html",
                    "*/*;q=0",
                    "application/json;q=2",
                    "a/b/c",
                    ",,,",
                    "application/*, text/csv;q=0.5");

    private static final List<String> RANGES =
            List.of(
                    "bytes=0-",
                    "bytes=0-0",
                    "bytes=-1",
                    "bytes=-0",
                    "bytes=5-2",
                    "bytes=99999999999999999999-",
                    "bytes=0-99999999999999999999",
                    "bytes=0-1,3-4",
                    "bytes=",
                    "bytes=a-b",
                    "lines=1-2",
                    "bytes 0-1");

    /// One request.
    ///
    /// @param operation the id of the operation that it was made for
    /// @param path without its query
    /// @param text as it is sent, one char a byte
    record Request(String operation, String method, String path, String text) {}

    /// One operation of the contract.
    private record Operation(String template, String method, JsonNode node) {}

    private List<Operation> operations() {
        List<Operation> operations = new ArrayList<>();
        contract.document()
                .path("paths")
                .propertyStream()
                .forEach(path ->
                        path.getValue()
                                .propertyStream()
                                .filter(member -> member.getValue().has("operationId"))
                                .forEach(member ->
                                        operations.add(
                                                new Operation(
                                                        path.getKey(),
                                                        member.getKey().toUpperCase(Locale.ROOT),
                                                        member.getValue()))));
        return operations;
    }

    Request next() {
        List<Operation> operations = operations();
        Operation operation = operations.get(random.nextInt(operations.size()));
        boolean sane = random.nextBoolean();
        String path = operation.template();
        List<String> query = new ArrayList<>();
        List<String> headers = new ArrayList<>(List.of("Host: x", "Connection: close"));
        for (JsonNode parameter : operation.node().path("parameters")) {
            String name = parameter.path("name").asString();
            String in = parameter.path("in").asString();
            if (in.equals("path")) {
                path = path.replace("{" + name + "}", pathValue(name, sane));
            } else if (random.nextInt(4) == 0 || parameter.path("required").asBoolean(false)) {
                String value = values.parameter(parameter, sane);
                if (in.equals("query")) {
                    query.add(name + "=" + escaped(value));
                } else {
                    headers.add(name + ": " + inHeader(value));
                }
            }
        }
        String body = body(operation, sane, headers);
        String method = operation.method();
        if (!sane) {
            method = odd(8) ? pick(METHODS) : method;
            addOddities(query, headers);
        } else if (odd(6)) {
            headers.add("Accept: " + pick(ACCEPTS));
        }
        if (operation.node().path("operationId").asString().equals("getBits") && odd(2)) {
            headers.add("Range: " + pick(RANGES));
        }
        String target = query.isEmpty() ? path : path + "?" + String.join("&", query);
        String text =
                "%s %s HTTP/1.%d\r\n%s\r\n\r\n%s"
                        .formatted(
                                method,
                                target,
                                random.nextInt(8) == 0 ? 0 : 1,
                                String.join("\r\n", headers),
                                body);
        return new Request(operation.node().path("operationId").asString(), method, path, text);
    }

    private String pathValue(String name, boolean sane) {
        if (name.equals("slug")) {
            return sane ? pick(List.of("not-found", "image-locked", "overloaded")) : "no-such";
        }
        String id = name.equals("image") ? values.imageId() : values.bitmapId();
        return sane || !odd(3) ? id : values.oddId();
    }

    private void addOddities(List<String> query, List<String> headers) {
        if (odd(4) && !query.isEmpty()) {
            query.add(pick(List.copyOf(query)));
        }
        if (odd(8)) {
            query.add(
                    pick(
                            List.of(
                                    "unknown=1",
                                    "=",
                                    "&&",
                                    "%",
                                    "%zz=1",
                                    "limit",
                                    "a=b=c",
                                    "%00=1",
                                    "limit=%ff")));
        }
        if (odd(4)) {
            headers.add("Accept: " + pick(ACCEPTS));
        }
        if (odd(6)) {
            headers.add(
                    "X-Request-Id: " + pick(List.of("", "a b", "<x>", "\u00e9", "x".repeat(500))));
        }
        if (odd(12)) {
            headers.add("Range: " + pick(RANGES));
        }
        if (odd(12)) {
            headers.add(
                    pick(
                            List.of(
                                    "Expect: 100-continue",
                                    "Accept-Encoding: gzip;q=0, identity",
                                    "If-Modified-Since: yesterday",
                                    "If-Range: \"x\"",
                                    "Content-Encoding: gzip",
                                    "X-HTTP-Method-Override: DELETE",
                                    "Origin: http://evil.example",
                                    "Accept-Charset: nothing",
                                    "Forwarded: for=x;host=evil.example",
                                    "Cookie: a=b; c")));
        }
    }

    /// The body, with the headers that go with it.
    private String body(Operation operation, boolean sane, List<String> headers) {
        JsonNode content = operation.node().path("requestBody").path("content");
        if (content.isMissingNode()) {
            return sane || !odd(8) ? "" : withLength("{}", headers, "application/json");
        }
        List<String> types = content.propertyStream().map(java.util.Map.Entry::getKey).toList();
        String type = pick(types);
        String body;
        if (type.equals("application/octet-stream")) {
            body = values.bits(sane);
        } else {
            String json = values.value(content.path(type).path("schema"), "", sane, 0);
            body = new String(json.getBytes(UTF_8), ISO_8859_1);
            if (!sane && odd(3)) {
                body = values.brokenJson(body);
            }
        }
        return withLength(body, headers, sane || !odd(6) ? type : pick(TYPES));
    }

    private static String withLength(String body, List<String> headers, String type) {
        headers.add("Content-Length: " + body.length());
        if (!type.isEmpty()) {
            headers.add("Content-Type: " + type);
        }
        return body;
    }

    private static String escaped(String value) {
        return URLEncoder.encode(value, UTF_8);
    }

    private static String inHeader(String value) {
        return new String(value.getBytes(UTF_8), ISO_8859_1).replaceAll("[\\x00-\\x1f\\x7f]", "?");
    }

    /// Once in so many times.
    private boolean odd(int times) {
        return random.nextInt(times) == 0;
    }

    private <T> T pick(List<T> from) {
        return from.get(random.nextInt(from.size()));
    }
}
