package dev.dirtymap.posix;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/// Reads small files through their channel.
final class Contents {

    private static final int MAX_BYTES = 4096;

    private Contents() {}

    static String of(PosixFile file) throws IOException {
        FileChannel channel = file.channel();
        ByteBuffer buffer = ByteBuffer.allocate(MAX_BYTES);
        while (buffer.hasRemaining() && channel.read(buffer, buffer.position()) > 0) {}
        return new String(buffer.array(), 0, buffer.position(), UTF_8);
    }
}
