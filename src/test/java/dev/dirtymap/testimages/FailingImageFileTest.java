package dev.dirtymap.testimages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.qcow2.NoSpaceException;
import dev.dirtymap.testimages.FailingImageFile.Operation;
import dev.dirtymap.testimages.FailingImageFile.Trouble;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class FailingImageFileTest {

    private final MemoryImageFile memory = new MemoryImageFile(new byte[0]);

    @Test
    void aFailedWriteLeavesItsFirstHalf() throws IOException {
        var failing = new FailingImageFile(memory, Operation.WRITE, 2, Trouble.ERROR);
        failing.write(0, bytes(1, 4096));
        assertThatThrownBy(() -> failing.write(100, bytes(2, 2048)))
                .isExactlyInstanceOf(IOException.class)
                .hasMessage("write 2 failed");
        var expected = new byte[4096];
        Arrays.fill(expected, (byte) 1);
        Arrays.fill(expected, 100, 1024, (byte) 2);
        assertThat(memory.bytes()).isEqualTo(expected);

        failing.write(4096, bytes(3, 1));
        assertThat(memory.size()).isEqualTo(4097);
        assertThat(failing.count(Operation.WRITE)).isEqualTo(3);
        assertThat(failing.changes()).isEqualTo(3);
    }

    @Test
    void aFailedWriteInsideASectorLeavesNothing() {
        var failing = new FailingImageFile(memory, Operation.WRITE, 1, Trouble.NO_SPACE);
        assertThatThrownBy(() -> failing.write(0, bytes(2, 512)))
                .isExactlyInstanceOf(NoSpaceException.class);
        assertThat(memory.bytes()).isEmpty();
    }

    @Test
    void eachOperationFailsByItsOwnCount() throws IOException {
        var reserving = new FailingImageFile(memory, Operation.RESERVE, 1, Trouble.NO_SPACE);
        reserving.write(0, bytes(1, 10));
        reserving.sync();
        assertThatThrownBy(() -> reserving.reserve(0, 512))
                .isExactlyInstanceOf(NoSpaceException.class)
                .hasMessage("reserve 1 failed");

        var syncing = new FailingImageFile(memory, Operation.SYNC, 2, Trouble.ERROR);
        syncing.sync();
        assertThatThrownBy(syncing::sync).hasMessage("sync 2 failed");
        syncing.sync();

        var discarding = new FailingImageFile(memory, Operation.DISCARD, 1, Trouble.ERROR);
        assertThatThrownBy(() -> discarding.discard(0, 10)).hasMessage("discard 1 failed");
        assertThat(memory.bytes()).containsOnly(1);
        discarding.discard(2, 512);
        assertThat(memory.bytes()).containsExactly(1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    }

    @Test
    void aDiskThatIsGoneFailsForEver() throws IOException {
        var failing = new FailingImageFile(memory, Operation.SYNC, 1, Trouble.GONE);
        failing.write(0, bytes(1, 1024));
        assertThatThrownBy(failing::sync).hasMessage("sync 1 failed");
        assertThatThrownBy(() -> failing.write(0, bytes(2, 1024))).hasMessage("write 2 failed");
        assertThatThrownBy(() -> failing.read(0, ByteBuffer.allocate(1)))
                .hasMessage("read 1 failed");
        assertThat(memory.bytes()).containsOnly(1);
    }

    private static ByteBuffer bytes(int value, int count) {
        var bytes = new byte[count];
        Arrays.fill(bytes, (byte) value);
        return ByteBuffer.wrap(bytes);
    }
}
