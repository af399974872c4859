package dev.dirtymap.testimages;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// One connection to a QMP monitor: lines of JSON, one reply a command, events in between.
final class QmpChannel implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration START = Duration.ofSeconds(10);
    private static final Duration SHORT = Duration.ofMillis(250);

    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer received = ByteBuffer.allocate(64 * 1024).flip();

    /// What came of a line so far.
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    private int lastId;

    /// Takes a connection, reads the greeting and negotiates no capability, after which commands are accepted.
    QmpChannel(SocketChannel connected) throws IOException {
        channel = connected;
        selector = Selector.open();
        channel.configureBlocking(false);
        channel.register(selector, SelectionKey.OP_READ);
        try {
            JsonNode greeting = readLine(START);
            if (greeting == null || !greeting.has("QMP")) {
                throw new AssertionError("not a QMP greeting: " + greeting);
            }
            negotiate();
        } catch (IOException | AssertionError e) {
            close();
            throw e;
        }
    }

    /// A client that is faster than the monitor's set-up is greeted twice, and what it said in between may be
    /// lost. So it is said again until it is heard.
    private void negotiate() throws IOException {
        for (int attempt = 0; attempt < START.dividedBy(SHORT); attempt++) {
            int id = send("qmp_capabilities", null);
            JsonNode reply = reply(id, SHORT);
            if (reply != null && (reply.has("return") || isNegotiated(reply))) {
                return;
            }
        }
        throw new AssertionError("QMP refuses its capabilities");
    }

    private static boolean isNegotiated(JsonNode reply) {
        return reply.at("/error/desc").asString().contains("already complete");
    }

    private static boolean isReset(JsonNode reply) {
        return reply.at("/error/desc").asString().contains("Expecting capabilities negotiation");
    }

    /// Sends a command and waits for its reply, an object with either `return` or `error`; events are skipped.
    JsonNode call(String command, @Nullable JsonNode arguments) throws IOException {
        JsonNode reply = reply(send(command, arguments), PATIENCE);
        if (reply != null && isReset(reply)) {
            negotiate();
            reply = reply(send(command, arguments), PATIENCE);
        }
        if (reply == null) {
            throw new AssertionError("no QMP reply within " + PATIENCE);
        }
        return reply;
    }

    private int send(String command, @Nullable JsonNode arguments) throws IOException {
        int id = ++lastId;
        ObjectNode message =
                JsonMapper.shared().createObjectNode().put("execute", command).put("id", id);
        if (arguments != null) {
            message.set("arguments", arguments);
        }
        ByteBuffer bytes = ByteBuffer.wrap((message + "\n").getBytes(UTF_8));
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                Thread.onSpinWait();
            }
        }
        return id;
    }

    /// The reply to one command; null if there is none in time.
    private @Nullable JsonNode reply(int id, Duration patience) throws IOException {
        while (true) {
            JsonNode line = readLine(patience);
            if (line == null || line.path("id").asInt(0) == id) {
                return line;
            }
        }
    }

    private @Nullable JsonNode readLine(Duration patience) throws IOException {
        while (true) {
            while (received.hasRemaining()) {
                byte b = received.get();
                if (b == '\n') {
                    byte[] whole = line.toByteArray();
                    line.reset();
                    return JsonMapper.shared().readTree(whole);
                }
                line.write(b);
            }
            if (selector.select(patience.toMillis()) == 0) {
                return null;
            }
            selector.selectedKeys().clear();
            received.clear();
            int count = channel.read(received);
            received.flip();
            if (count < 0) {
                throw new IOException("the QMP server is gone");
            }
        }
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
