package dev.dirtymap.images;

import dev.dirtymap.qcow2.BitRun;
import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapReader;
import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentScanner.Taker;
import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.ReferencePoint;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// The bits of one bitmap, read in locked steps that all see the same content. Between steps no lock is
/// held, so a slow caller keeps nobody off the image.
public final class BitmapContent implements BitSource {

    private final OpenImage image;
    private final Bitmap bitmap;
    private final BitmapReader reader;
    private final FileVersion version;
    private final @Nullable ReferencePoint referencePoint;

    /// @param view where the bitmap was found
    BitmapContent(OpenImage image, Bitmap bitmap, ImageView view) {
        this.image = image;
        this.bitmap = bitmap;
        this.reader = bitmap.reader(view.file());
        this.version = view.version();
        this.referencePoint = view.image().referencePoints().get(bitmap.name());
    }

    /// What the bitmap is relative to; null if nobody said.
    public @Nullable ReferencePoint referencePoint() {
        return referencePoint;
    }

    public Bitmap bitmap() {
        return bitmap;
    }

    public Geometry geometry() {
        return bitmap.geometry();
    }

    /// Which content of the file is read; each step makes sure of it.
    public FileVersion version() {
        return version;
    }

    /// One step, as [#read(long, BitRun, Taker)] makes it, for one run.
    @Override
    public void read(long bit, BitRun run) throws IOException {
        read(bit, run, _ -> null);
    }

    /// One step of at most [ReaderGate#STEP_NANOS], more or less.
    ///
    /// @throws ContentChangedException if the image changed since [OpenImage#content]
    /// @throws LockLostException if a program took the image for writing and kept it
    @Override
    public void read(long bit, BitRun run, Taker taker) throws IOException {
        try {
            image.step(version, deadline -> reader.read(bit, run, taker, deadline));
        } catch (ImageLockedException e) {
            throw new LockLostException(e);
        }
    }

    /// Carries an [ImageLockedException] through code that only knows I/O.
    public static final class LockLostException extends IOException {

        private static final long serialVersionUID = 1L;

        private final ImageLockedException locked;

        LockLostException(ImageLockedException locked) {
            super(locked.getMessage(), locked);
            this.locked = locked;
        }

        public ImageLockedException locked() {
            return locked;
        }
    }
}
