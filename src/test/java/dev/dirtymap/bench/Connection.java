package dev.dirtymap.bench;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.Locale;

/// One kept-alive HTTP connection, as lean as can be: on two cores a client that works takes the time of the service
/// that is measured.
final class Connection implements AutoCloseable {

    private static final int TIMEOUT_MILLIS = 60_000;

    private final int port;
    private final byte[] buffer = new byte[64 << 10];
    private Socket socket;
    private boolean closing;
    private int position;
    private int limit;

    Connection(int port) throws IOException {
        this.port = port;
        this.socket = connect(port);
    }

    private static Socket connect(int port) throws IOException {
        Socket socket = new Socket();
        try {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(TIMEOUT_MILLIS);
            socket.connect(
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), port), TIMEOUT_MILLIS);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /// A whole answer.
    record Answer(int status, byte[] body) {

        String text() {
            return new String(body, UTF_8);
        }
    }

    /// Sends a GET and reads all of the answer. Connects anew where the service said that it closes the connection,
    /// as it does after each hundredth answer.
    Answer get(String path) throws IOException {
        return get(path, "*/*");
    }

    /// The same, for one media type.
    Answer get(String path, String accept) throws IOException {
        if (closing) {
            socket.close();
            socket = connect(port);
            closing = false;
        }
        socket.getOutputStream()
                .write(
                        "GET %s HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n"
                                .formatted(path, accept)
                                .getBytes(ISO_8859_1));
        String status = line();
        long length = 0;
        boolean chunked = false;
        for (String header = line(); !header.isEmpty(); header = line()) {
            String lower = header.toLowerCase(Locale.ROOT);
            if (lower.startsWith("content-length:")) {
                length = Long.parseLong(lower.substring("content-length:".length()).strip());
            } else if (lower.startsWith("transfer-encoding:")) {
                chunked = lower.endsWith("chunked");
            } else if (lower.equals("connection: close")) {
                closing = true;
            }
        }
        var body = new ByteArrayOutputStream();
        if (chunked) {
            for (int chunk = chunkLength(); chunk > 0; chunk = chunkLength()) {
                take(chunk, body);
                line();
            }
            line();
        } else {
            take(length, body);
        }
        return new Answer(Integer.parseInt(status.substring(9, 12)), body.toByteArray());
    }

    private int chunkLength() throws IOException {
        return Integer.parseInt(line(), 16);
    }

    private String line() throws IOException {
        var line = new StringBuilder();
        while (true) {
            if (position == limit) {
                fill();
            }
            byte next = buffer[position++];
            if (next == '\n') {
                return line.toString();
            }
            if (next != '\r') {
                line.append((char) next);
            }
        }
    }

    private void take(long length, ByteArrayOutputStream body) throws IOException {
        long left = length;
        while (left > 0) {
            if (position == limit) {
                fill();
            }
            int count = (int) Math.min(left, limit - position);
            body.write(buffer, position, count);
            position += count;
            left -= count;
        }
    }

    private void fill() throws IOException {
        limit = socket.getInputStream().read(buffer);
        position = 0;
        if (limit < 0) {
            limit = 0;
            throw new EOFException("the service closed the connection");
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
