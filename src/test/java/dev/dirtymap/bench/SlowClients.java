package dev.dirtymap.bench;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

/// Clients that ask for a stream and take 1 KiB of it each second; one thread plays them all. Who is refused stays
/// connected, and asks no more.
final class SlowClients implements AutoCloseable {

    private static final int RECEIVE_BUFFER = 4096;
    private static final int BYTES_A_SECOND = 1024;

    /// Parts of a second, each of which serves a part of the clients.
    private static final int TICKS = 20;

    private enum State {
        ASKED,
        STREAMING,
        REFUSED,
        FAILED,
        CUT
    }

    private static final class Client {

        private final SocketChannel channel;
        private State state = State.ASKED;

        Client(SocketChannel channel) {
            this.channel = channel;
        }
    }

    private final List<Client> clients = new ArrayList<>();
    private final Thread thread;
    private volatile boolean ended;

    /// Connects them all and has each ask.
    SlowClients(int port, int count, String path, String accept) throws IOException {
        byte[] request =
                "GET %s HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n"
                        .formatted(path, accept)
                        .getBytes(ISO_8859_1);
        for (int i = 0; i < count; i++) {
            SocketChannel channel = SocketChannel.open();
            clients.add(new Client(channel));
            channel.setOption(StandardSocketOptions.SO_RCVBUF, RECEIVE_BUFFER);
            channel.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
            channel.write(ByteBuffer.wrap(request));
            channel.configureBlocking(false);
        }
        thread = Thread.ofPlatform().daemon().start(this::read);
    }

    private void read() {
        ByteBuffer buffer = ByteBuffer.allocate(BYTES_A_SECOND);
        long start = System.nanoTime();
        for (long tick = 0; !ended; tick++) {
            for (int i = (int) (tick % TICKS); i < clients.size(); i += TICKS) {
                read(clients.get(i), buffer);
            }
            long next = start + (tick + 1) * (1_000_000_000L / TICKS);
            java.util.concurrent.locks.LockSupport.parkNanos(next - System.nanoTime());
        }
    }

    private static synchronized void read(Client client, ByteBuffer buffer) {
        if (client.state == State.CUT) {
            return;
        }
        try {
            int count = client.channel.read(buffer.clear());
            if (count < 0) {
                client.state = client.state == State.STREAMING ? State.CUT : client.state;
            } else if (client.state == State.ASKED && count >= 12) {
                String status = ISO_8859_1.decode(buffer.slice(9, 3)).toString();
                client.state =
                        switch (status) {
                            case "200" -> State.STREAMING;
                            case "503" -> State.REFUSED;
                            default -> State.FAILED;
                        };
            }
        } catch (IOException e) {
            client.state = client.state == State.STREAMING ? State.CUT : State.FAILED;
        }
    }

    private static synchronized long count(List<Client> clients, State state) {
        return clients.stream().filter(client -> client.state == state).count();
    }

    /// What has become of them.
    String summary() {
        return "%d take a stream, %d were told 503, %d wait, %d streams were cut, %d failed otherwise"
                .formatted(
                        count(clients, State.STREAMING),
                        count(clients, State.REFUSED),
                        count(clients, State.ASKED),
                        count(clients, State.CUT),
                        count(clients, State.FAILED));
    }

    /// Whether all got an answer that says what it is, and none was cut.
    boolean allAnswered() {
        return count(clients, State.STREAMING) + count(clients, State.REFUSED) == clients.size();
    }

    @Override
    public void close() throws IOException {
        ended = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        for (Client client : clients) {
            client.channel.close();
        }
    }
}
