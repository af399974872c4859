package dev.dirtymap.qcow2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dirtymap.testimages.FailingImageFile;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.MemoryImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A read that fails is told, whichever it is, and is never taken for the end of the file, for damage or for a clean
/// bitmap.
class ReadFailureTest {

    @TempDir private Path folder;

    private MemoryImageFile image = new MemoryImageFile(new byte[0]);

    @BeforeEach
    void createImage() throws IOException {
        Path path = folder.resolve("image.qcow2");
        long size = (700 << 20) + 512;
        List<Extent> dirty = new ArrayList<>();
        for (long offset = 0; offset < size - 4096; offset += 12300 * 4096) {
            dirty.add(new Extent(offset, 4096, true));
        }
        try (FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            new NewImage(size, 512)
                    .bitmap("a", 512, true, dirty)
                    .bitmap("b", 4096, true, dirty)
                    .bitmap("c", 1 << 20, false, List.of(new Extent(size - 1, 1, true)))
                    .writeTo(channel);
        }
        // A snapshot and a backing file, so that there is something of everything to be read.
        var bytes = new ImageBytes(path);
        long end = (bytes.length() + 511) & -512L;
        bytes.truncate(end + 40).u32(60, 1).u64(64, end).u64(8, 400).u32(16, 4);
        image = MemoryImageFile.copyOf(path);
    }

    @Test
    void everyFailedReadIsTold() throws IOException {
        var whole = new FailingImageFile(image, 0);
        ImageContent expected = ImageContent.read(whole);
        assertThat(expected.bitmaps())
                .hasSize(3)
                .allMatch(bitmap -> bitmap.state() == BitmapState.CONSISTENT)
                .allMatch(bitmap -> bitmap.totals().dirtyBytes() > 0);
        assertThat(whole.reads()).isGreaterThan(20);

        for (int n = 1; n <= whole.reads(); n++) {
            var failing = new FailingImageFile(image, n);
            assertThatThrownBy(() -> ImageContent.read(failing))
                    .isExactlyInstanceOf(IOException.class)
                    .hasMessage("read %d failed", n);
        }
    }

    @Test
    void whatIsReadAfterAFailedReadIsRight() throws IOException {
        var whole = new FailingImageFile(image, 0);
        ImageContent expected = ImageContent.read(whole);

        for (int n = 1; n <= whole.reads(); n++) {
            var failing = new FailingImageFile(image, n);
            var again = new Again();
            assertThat(ImageContent.read(failing, again))
                    .as("after read %d", n)
                    .isEqualTo(expected);
            assertThat(again.failures).isEqualTo(1);
        }
    }

    @Test
    void aFileThatIsCutShortMeanwhileIsAFailureAndNoCleanBitmap() throws IOException {
        var cut = new ShrinkingImageFile(image);
        Image open = Image.open(cut, false).orElseThrow();
        Bitmap bitmap = open.bitmaps().get(0);
        Geometry geometry = bitmap.geometry();
        cut.size = 4096;

        assertThatThrownBy(() -> Extents.dirty(cut, bitmap)).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> Totals.of(Extents.hasty(bitmap.reader(cut)), geometry))
                .isInstanceOf(IOException.class);
    }

    @Test
    void dataThatIsCutOffMeanwhileIsAFailure() throws IOException {
        var bytes = new ImageBytes(folder.resolve("image.qcow2"));
        long table = bytes.bitmapTable(0);
        long data = bytes.u64(table);
        var cut = new ShrinkingImageFile(image);
        Bitmap bitmap = Image.open(cut, false).orElseThrow().bitmaps().get(0);
        cut.size = data + 8;

        assertThatThrownBy(() -> bitmap.reader(cut).read(0, new BitRun(512), System.nanoTime()))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith("bitmap data: end at file offset %d is ", table);
    }

    /// Tries again once.
    private static final class Again implements ImageContent.Stepping {

        private int failures;

        @Override
        public <T extends @Nullable Object> T take(ImageContent.Step<T> step) throws IOException {
            try {
                return step.take();
            } catch (IOException e) {
                assertThat(e).isExactlyInstanceOf(IOException.class);
                failures++;
                return step.take();
            }
        }
    }

    /// A file that somebody cuts while it is open.
    private static final class ShrinkingImageFile implements ImageFile {

        private final MemoryImageFile file;
        private long size;

        private ShrinkingImageFile(MemoryImageFile file) {
            this.file = file;
            this.size = file.size();
        }

        @Override
        public long size() {
            return size;
        }

        @Override
        public int read(long offset, ByteBuffer destination) {
            int left = (int) Math.min(destination.remaining(), Math.max(0, size - offset));
            int read = file.read(offset, destination.slice().limit(left));
            destination.position(destination.position() + read);
            return read;
        }
    }
}
