package dev.dirtymap.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapReader;
import dev.dirtymap.qcow2.Extent;
import dev.dirtymap.qcow2.ExtentScanner;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.ImageFile;
import dev.dirtymap.testimages.Case;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ImageCorpus;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import dev.dirtymap.testimages.Range;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.databind.json.JsonMapper;

/// What an answer costs: bytes read and memory held, on disks and bitmaps as large as they come.
class MemoryTest {

    private static final long TIB = 1L << 40;

    @TempDir private Path folder;

    /// A file that counts what is read from it.
    private static final class CountingFile implements ImageFile {

        private final ImageFile file;
        private long bytes;
        private int calls;

        CountingFile(ImageFile file) {
            this.file = file;
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public int read(long offset, ByteBuffer destination) throws IOException {
            int count = file.read(offset, destination);
            bytes += count;
            calls++;
            return count;
        }
    }

    /// What one page cost.
    private record Page(List<Range> extents, long bytesRead, int calls, long tableBytes) {}

    /// Opens an image and reads the dirty extents of a window of its first bitmap.
    private static Page page(Path image, long from, int limit) throws IOException {
        try (FileChannel channel = FileChannel.open(image)) {
            CountingFile file = new CountingFile(ImageFile.of(channel));
            Image opened = Image.open(file, false).orElseThrow();
            Bitmap bitmap = opened.bitmaps().get(0);
            BitmapReader reader = bitmap.reader(file);
            ExtentScanner scanner =
                    new ExtentScanner(
                            (bit, run) -> reader.read(bit, run, Long.MAX_VALUE / 2),
                            bitmap.geometry(),
                            Selection.DIRTY,
                            from,
                            bitmap.geometry().virtualSize());
            List<Range> extents = new ArrayList<>();
            Extent extent = scanner.next();
            while (extent != null && extents.size() < limit) {
                extents.add(new Range(extent.offset(), extent.length(), true));
                extent = scanner.next();
            }
            return new Page(
                    extents, file.bytes, file.calls, bitmap.geometry().tableSize() * Long.BYTES);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {16384, 65536})
    void aPageOfAHugeDiskCostsTheTableAndThePage(int granularity) throws IOException {
        List<Range> dirty =
                List.of(
                        new Range(0, granularity, true),
                        new Range(33 * TIB, granularity, true),
                        new Range(64 * TIB - granularity, granularity, true));
        Path huge = image("huge.qcow2", "64T", granularity);
        QemuIo.run(
                huge,
                dirty.stream()
                        .map(range -> "discard %d 512".formatted(range.offset()))
                        .toArray(String[]::new));
        Path small = image("small.qcow2", "1T", granularity);
        QemuIo.run(small, "discard 0 512", "discard 512G 512", "discard 1099511627264 512");

        Page ofHuge = page(huge, 0, 1000);
        Page ofSmall = page(small, 0, 1000);
        Page ofMiddle = page(huge, 40 * TIB, 1000);
        System.out.printf(
                "granularity %d: 64 TiB %d bytes in %d reads (table %d), 1 TiB %d bytes (table %d),"
                        + " from 40 TiB on %d bytes%n",
                granularity,
                ofHuge.bytesRead,
                ofHuge.calls,
                ofHuge.tableBytes,
                ofSmall.bytesRead,
                ofSmall.tableBytes,
                ofMiddle.bytesRead);
        assertThat(ofHuge.extents).isEqualTo(dirty);
        assertThat(ofMiddle.extents).isEqualTo(dirty.subList(2, 3));
        assertThat(ofSmall.extents).hasSize(3);
        // The table is read twice, once to judge it; a directory window and the data clusters are
        // fixed.
        assertThat(ofHuge.bytesRead - ofSmall.bytesRead)
                .isLessThanOrEqualTo(2 * (ofHuge.tableBytes - ofSmall.tableBytes) + (128 << 10));
        assertThat(ofHuge.bytesRead).isLessThan(2 * ofHuge.tableBytes + (768 << 10));
        assertThat(ofMiddle.bytesRead).isLessThan(ofHuge.bytesRead);
    }

    private Path image(String name, String size, long granularity) {
        QemuImg qemuImg = new QemuImg(folder);
        qemuImg.create(name, size);
        qemuImg.bitmapAdd(name, "a", granularity, true);
        return folder.resolve(name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"size-64t", "size-64t-finest", "size-64t-all-dirty"})
    void theWholeListOfAHugeDiskCostsItsTableAndItsData(String name) throws IOException {
        Case image = ImageCorpus.named(name).get();
        Page page = page(image.image(), 0, 100_000);
        List<Range> expected = image.dirtyRanges().getFirst();
        System.out.printf(
                "%s: %d extents, %d bytes in %d reads (table %d)%n",
                name, page.extents.size(), page.bytesRead, page.calls, page.tableBytes);
        assertThat(page.extents).isEqualTo(expected);
        // Each dirty range lies in one or two data clusters of 64 KiB.
        assertThat(page.bytesRead)
                .isLessThan(3 * page.tableBytes + (256 << 10) + expected.size() * 3L * 65536);
    }

    /// An image whose bitmap has 131072 extents, every other granule of 4 KiB.
    private void createFragmented() {
        Path image = image("disk.qcow2", "1G", 4096);
        QemuIo.run(image, "discard 0 1G");
        ImageBytes bytes = new ImageBytes(image);
        byte[] pattern = new byte[32 << 10];
        Arrays.fill(pattern, (byte) 0x55);
        bytes.write(bytes.u64(bytes.bitmapTable(0)) & 0x00fffffffffffe00L, pattern);
    }

    @Test
    void manyLargePagesAtOnceFitIntoASmallHeap() throws Exception {
        createFragmented();
        try (ServiceProcess service =
                ServiceProcess.start(folder, Map.of(), "dirtymap.root=" + folder)) {
            Client client = service.client();
            String extents = "/v1/images/disk.qcow2/bitmaps/a/extents";
            long start = System.nanoTime();
            String cursor = read(client, extents + "?limit=100000", 0, 100_000);
            System.out.printf(
                    "a page of 100000 extents: %.0f ms%n", (System.nanoTime() - start) / 1e6);
            assertThat(
                            read(
                                    client,
                                    extents + "?cursor=%s&limit=100000".formatted(cursor),
                                    100_000,
                                    31_072))
                    .isEmpty();

            start = System.nanoTime();
            try (ExecutorService requests = Executors.newFixedThreadPool(16)) {
                List<Future<String>> pages = new ArrayList<>();
                for (int i = 0; i < 64; i++) {
                    pages.add(
                            requests.submit(
                                    () -> read(client, extents + "?limit=100000", 0, 100_000)));
                }
                for (Future<String> page : pages) {
                    assertThat(page.get()).isEqualTo(cursor);
                }
            }
            System.out.printf(
                    "64 such pages, 16 at a time, in 64 MiB: %.0f ms%n",
                    (System.nanoTime() - start) / 1e6);
            assertThat(service.isAlive()).isTrue();
            assertThat(service.log()).doesNotContain("OutOfMemoryError");
        }
    }

    /// Clients that take nothing of their answer must not cost the service the others.
    @Test
    void clientsThatDoNotReadTakeNoMemoryFromTheOthers() throws Exception {
        createFragmented();
        try (ServiceProcess service =
                ServiceProcess.start(folder, Map.of(), "dirtymap.root=" + folder)) {
            Client client = service.client();
            String extents = "/v1/images/disk.qcow2/bitmaps/a/extents?limit=100000";
            List<InputStream> stuck = new ArrayList<>();
            try {
                for (int i = 0; i < 8; i++) {
                    HttpResponse<InputStream> response = client.stream(extents);
                    assertThat(response.statusCode()).isEqualTo(200);
                    stuck.add(response.body());
                }
                read(client, extents, 0, 100_000);
                QemuIo.run(folder.resolve("disk.qcow2"), "discard 0 4k");
                assertThat(service.isAlive()).isTrue();
            } finally {
                for (InputStream body : stuck) {
                    body.close();
                }
            }
        }
    }

    /// Reads a page as a stream.
    ///
    /// @param first the number of its first extent
    /// @return its cursor; empty if it is the last
    private static String read(Client client, String path, int first, int count)
            throws IOException {
        HttpResponse<InputStream> response = client.stream(path);
        assertThat(response.statusCode()).isEqualTo(200);
        String cursor = "";
        int extents = 0;
        try (InputStream body = response.body();
                JsonParser json = JsonMapper.shared().createParser(body)) {
            boolean inside = false;
            for (JsonToken token = json.nextToken(); token != null; token = json.nextToken()) {
                if (token == JsonToken.START_ARRAY || token == JsonToken.END_ARRAY) {
                    inside = token == JsonToken.START_ARRAY;
                } else if (inside && token == JsonToken.VALUE_NUMBER_INT) {
                    boolean offset = "offset".equals(json.currentName());
                    long expected = offset ? 8192L * (first + extents) : 4096;
                    if (json.getLongValue() != expected) {
                        throw new AssertionError(
                                "%s of extent %d is %d"
                                        .formatted(
                                                json.currentName(),
                                                first + extents,
                                                json.getLongValue()));
                    }
                    extents += offset ? 0 : 1;
                } else if (token == JsonToken.VALUE_STRING
                        && "nextCursor".equals(json.currentName())) {
                    cursor = json.getString();
                }
            }
        }
        assertThat(extents).isEqualTo(count);
        return cursor;
    }
}
