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

    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer received = ByteBuffer.allocate(64 * 1024).flip();

    /// Takes a connection, reads the greeting and negotiates no capability, after which commands are accepted.
    QmpChannel(SocketChannel connected) throws IOException {
        channel = connected;
        selector = Selector.open();
        channel.configureBlocking(false);
        channel.register(selector, SelectionKey.OP_READ);
        JsonNode greeting = readLine();
        if (!greeting.has("QMP")) {
            throw new AssertionError("not a QMP greeting: " + greeting);
        }
        JsonNode reply = call("qmp_capabilities", null);
        if (!reply.has("return")) {
            throw new AssertionError("QMP refused its capabilities: " + reply);
        }
    }

    /// Sends a command and waits for its reply, an object with either `return` or `error`; events are skipped.
    JsonNode call(String command, @Nullable JsonNode arguments) throws IOException {
        ObjectNode message = JsonMapper.shared().createObjectNode().put("execute", command);
        if (arguments != null) {
            message.set("arguments", arguments);
        }
        ByteBuffer bytes = ByteBuffer.wrap((message + "\n").getBytes(UTF_8));
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                Thread.onSpinWait();
            }
        }
        JsonNode reply = readLine();
        // A client that is faster than the monitor's set-up is greeted twice.
        while (reply.has("event") || reply.has("QMP")) {
            reply = readLine();
        }
        return reply;
    }

    private JsonNode readLine() throws IOException {
        var line = new ByteArrayOutputStream();
        while (true) {
            while (received.hasRemaining()) {
                byte b = received.get();
                if (b == '\n') {
                    return JsonMapper.shared().readTree(line.toByteArray());
                }
                line.write(b);
            }
            if (selector.select(PATIENCE.toMillis()) == 0) {
                throw new AssertionError("no QMP reply within " + PATIENCE);
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
