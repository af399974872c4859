package dev.dirtymap.qcow2;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Changes images in tests, the way `images` does under its locks.
public final class Changes {

    private Changes() {}

    /// What to do with a draft.
    @FunctionalInterface
    public interface Operations {
        void on(BitmapsDraft draft) throws ChangeRefusedException, IOException;
    }

    /// Changes a real file.
    public static void change(Path image, Operations operations)
            throws ChangeRefusedException, IOException {
        try (FileChannel channel =
                FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            change(ImageFile.of(channel), operations);
        }
    }

    /// Changes any file.
    public static void change(ImageFile file, Operations operations)
            throws ChangeRefusedException, IOException {
        Image image = Image.open(file, false).orElseThrow();
        BitmapsDraft draft = new BitmapsDraft(image, file);
        operations.on(draft);
        Commit commit = Commit.prepare(draft);
        commit.commit();
        commit.finish();
    }
}
