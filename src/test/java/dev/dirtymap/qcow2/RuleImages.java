package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.RuleCase.Base;
import dev.dirtymap.testimages.Command;
import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ProgramResult;
import dev.dirtymap.testimages.QemuImg;
import dev.dirtymap.testimages.QemuIo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// The sound images that are broken, made by QEMU when first asked for, and QEMU's verdict on the broken ones.
///
/// Each, unless it says otherwise, has the bitmaps `a`, `b` and `c` with granules of 64 KiB, 4 KiB and 512 bytes, which are dirty at [#DIRTY].
///
/// @param folder where they are
record RuleImages(Path folder) {

    static final List<Extent> DIRTY =
            List.of(new Extent(0, 65536, true), new Extent(524288, 131072, true));

    /// The one that [QemuImg#createEncrypted] uses.
    private static final String SECRET =
            "secret,id=rule,format=raw,data=correct horse battery staple";

    /// A fresh copy of a sound image.
    ImageBytes copy(Base base, String name) {
        Path made = folder.resolve(base + ".qcow2");
        if (!Files.exists(made)) {
            make(base, made.getFileName().toString());
        }
        Path copy = folder.resolve(name);
        try {
            Files.deleteIfExists(copy);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ImageBytes.copy(made, copy);
    }

    private void make(Base base, String file) {
        var qemuImg = new QemuImg(folder);
        switch (base) {
            case PLAIN -> qemuImg.create(file, "1M");
            case SMALL_CLUSTERS -> qemuImg.create(file, "1M", "cluster_size=8k");
            case LUKS -> {
                qemuImg.createEncrypted(file, "1M");
                return;
            }
            case SNAPSHOT -> {
                qemuImg.create(file, "1M");
                qemuImg.run("snapshot", "-c", "first", file);
            }
            case LARGE -> {
                qemuImg.create(file, "2T", "cluster_size=4k");
                return;
            }
        }
        qemuImg.bitmapAdd(file, "a", 65536, true);
        qemuImg.bitmapAdd(file, "b", 4096, true);
        qemuImg.bitmapAdd(file, "c", 512, true);
        QemuIo.run(folder.resolve(file), "write -P 1 0 64k", "write -P 2 512k 128k");
    }

    /// Whether QEMU opens an image for reading its content, as `qemu-img map` does. It is called in the image's own
    /// folder. An encrypted image is opened with a secret, since QEMU looks at fewer things without one.
    static boolean opensInQemu(Path image) {
        var bytes = new ImageBytes(image);
        String file = String.valueOf(image.getFileName());
        Command command = Command.of("qemu-img", "map", "--output=json");
        command =
                bytes.u32(32) == 2
                        ? command.with(
                                "--object",
                                SECRET,
                                "--image-opts",
                                "driver=qcow2,encrypt.key-secret=rule,file.driver=file,file.filename="
                                        + file)
                        : command.with("-f", "qcow2", file);
        Path folder = image.toAbsolutePath().getParent();
        ProgramResult result = command.in(folder == null ? Path.of("/") : folder).tryRun();
        if (result.exitCode() != 0 && result.exitCode() != 1) {
            throw new AssertionError(result.toString());
        }
        return result.exitCode() == 0;
    }
}
