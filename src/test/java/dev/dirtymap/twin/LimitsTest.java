package dev.dirtymap.twin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dirtymap.http.Server;
import dev.dirtymap.testimages.QemuImg;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What just goes and what goes too far, on both sides.
class LimitsTest {

    private static final String IMAGE = "image.qcow2";
    private static final String VERSION_2 = "version2.qcow2";

    /// At 512 bytes a bit, its bitmap would have one byte more than is allowed.
    private static final String VAST = "vast.qcow2";

    /// An operation on an image, and the slug of the problem; empty if it is done.
    private record Case(String file, Operation operation, String refusal) {}

    @TempDir private Path twinFolder;

    @Test
    void areTheSame() throws Exception {
        Server server = Server.shared();
        Path ourFolder = server.newFolder();
        HttpSide ours = new HttpSide(server.port(), ourFolder.getFileName().toString());
        QemuImg qemu = new QemuImg(ourFolder);
        qemu.create(IMAGE, "1M");
        qemu.create(VERSION_2, "1M", "compat=0.10");
        qemu.create(VAST, Long.toString((1L << 41) + 512));
        for (String file : List.of(IMAGE, VERSION_2, VAST)) {
            Files.copy(ourFolder.resolve(file), twinFolder.resolve(file));
        }
        try (QemuSide reader = new QemuSide(ourFolder);
                QemuSide twin = new QemuSide(twinFolder)) {
            for (Case one : cases().toList()) {
                String refusal = ours.apply(one.file, one.operation);
                assertThat(refusal).as(one.toString()).isEqualTo(one.refusal);
                assertThat(twin.apply(one.file, one.operation, null))
                        .as(one.toString())
                        .matches("(?s)" + Twins.REFUSALS.get(refusal));
                assertThat(reader.read(one.file)).as(one.toString()).isEqualTo(twin.read(one.file));
                qemu.assertClean(one.file);
            }
            assertThat(reader.read(IMAGE)).hasSize(6);
            assertThat(reader.read(VAST)).hasSize(1);
        }
    }

    private static Stream<Case> cases() {
        String longest = "n".repeat(1023);
        String twoBytesEach = "é".repeat(511) + "x";
        String tooLong = "m".repeat(1024);
        return Stream.of(
                new Case(IMAGE, create(longest, null), ""),
                new Case(IMAGE, create(twoBytesEach, null), ""),
                new Case(IMAGE, create(tooLong, null), "invalid-request"),
                new Case(IMAGE, create("é".repeat(512), null), "invalid-request"),
                new Case(IMAGE, create("", null), "invalid-request"),
                new Case(IMAGE, create("fine", 512L), ""),
                new Case(IMAGE, create("finer", 256L), "invalid-request"),
                new Case(IMAGE, create("finer", 513L), "invalid-request"),
                new Case(IMAGE, create("coarse", 1L << 31), ""),
                new Case(IMAGE, create("coarser", 1L << 32), "invalid-request"),
                new Case(IMAGE, copy("fine", longest + "n", null), "invalid-request"),
                new Case(IMAGE, copy("fine", "copy", 256L), "invalid-request"),
                new Case(IMAGE, copy("fine", "copy", 1L << 31), ""),
                new Case(IMAGE, new Operation.Rename("fine", tooLong), "invalid-request"),
                new Case(IMAGE, copy("coarse", "fine copy", 512L), ""),
                new Case(VERSION_2, create("any", null), "image-version"),
                new Case(VAST, create("too big", 512L), "limit-exceeded"),
                new Case(VAST, create("small", 1L << 31), ""),
                new Case(
                        VAST,
                        new Operation.Copy("small", VAST, "too big", 512L, true),
                        "limit-exceeded"));
    }

    private static Operation create(String bitmap, @Nullable Long granularity) {
        return new Operation.Create(bitmap, granularity, true, null);
    }

    private static Operation copy(String bitmap, String name, @Nullable Long granularity) {
        return new Operation.Copy(bitmap, IMAGE, name, granularity, null);
    }
}
