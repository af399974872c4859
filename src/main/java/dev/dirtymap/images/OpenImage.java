package dev.dirtymap.images;

import dev.dirtymap.images.ImageLockedException.Holder;
import dev.dirtymap.images.ImageMeters.Access;
import dev.dirtymap.posix.FileStat;
import dev.dirtymap.posix.PosixFile;
import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.FormatException;
import dev.dirtymap.qcow2.Image;
import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// One image, found and opened for one request. Gives two ways to read it (`api.md` 7):
///
/// - [#look]: metadata, without any lock that QEMU sees. Test, read, test again, and repeat when something
///   moved in between.
/// - [#content]: the bits of one bitmap, in short steps under the reader's lock, each checked to be of the
///   same content.
public final class OpenImage {

    /// How often a look is repeated when the file keeps changing under it. A running machine changes its
    /// image all the time: then the last look is what there is to show.
    private static final int LOOKS = 5;

    private static final int UNDISTURBED_TRIES = 3;

    /// How long a step waits for its turn among many readers, who may be short of threads too. That is no
    /// wait for a lock: nobody holds the image then.
    static final long TURN_NANOS = TimeUnit.SECONDS.toNanos(30);

    static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final Id id;
    private final PosixFile posixFile;
    private final Duration lockWait;
    private final KnownFiles known;
    private final ReaderGate gate;
    private final ImageMeters meters;
    private final ImageFile file;

    /// The version that was seen last, and the `System.nanoTime` since when.
    private @Nullable FileVersion seen;

    private long seenSince;

    /// @param known learns what a [#glance] finds
    OpenImage(Id id, PosixFile posixFile, Duration lockWait, KnownFiles known, ImageMeters meters)
            throws IOException {
        this.id = id;
        this.posixFile = posixFile;
        this.lockWait = lockWait;
        this.known = known;
        this.meters = meters;
        FileStat stat = posixFile.stat();
        this.gate = ReaderGate.of(stat.device(), stat.inode());
        this.file = ImageFile.of(posixFile.channel());
    }

    public Id id() {
        return id;
    }

    /// The file as it is now, whether or not it is an image that can be read.
    public FileVersion version() throws IOException {
        return FileVersion.of(posixFile.stat());
    }

    /// Bytes of the file that take space on disk now.
    public long allocatedBytes() throws IOException {
        return posixFile.stat().allocatedBytes();
    }

    /// What to do with a view of the image. May be run several times, so it must have no effect besides its
    /// result.
    @FunctionalInterface
    public interface Look<T> {
        T at(ImageView view) throws IOException;
    }

    /// Reads metadata without a lock, repeated until nothing moved meanwhile. The view's file version tells
    /// every later change, for which this waits up to 20 ms after the latest one.
    ///
    /// @throws ImageNotFoundException if the file is no qcow2 image
    /// @throws ImageUnreadableException if it claims to be one and breaks the format
    public <T> T look(Look<T> work)
            throws ImageNotFoundException, ImageUnreadableException, IOException {
        return look(work, true);
    }

    /// Like [#look], but the view's file version may miss a change within the same few milliseconds: for
    /// lists, which are not worth the wait.
    public <T> T glance(Look<T> work)
            throws ImageNotFoundException, ImageUnreadableException, IOException {
        return look(work, false);
    }

    private <T> T look(Look<T> work, boolean settle)
            throws ImageNotFoundException, ImageUnreadableException, IOException {
        long patience = System.nanoTime() + (settle ? lockWait.toNanos() : 0);
        for (int tries = 1; ; tries++) {
            // Our own writers leave a whole image at every moment, but are done soon.
            while (QemuLocks.isServiceWriting(posixFile) && System.nanoTime() - patience < 0) {
                LockSupport.parkNanos(PAUSE_NANOS);
            }
            boolean held = QemuLocks.isHeldByProgram(posixFile);
            // Nothing is read from an image that is held but what may be out of date anyway.
            boolean settled = settle && !held && settle();
            FileStat before = posixFile.stat();
            FileVersion version = FileVersion.of(before);
            long readAt = System.currentTimeMillis();
            @Nullable T result = null;
            @Nullable Outline outline = null;
            @Nullable IOException failure = null;
            try {
                Image image = Image.open(file, held).orElse(null);
                result =
                        image == null
                                ? null
                                : work.at(
                                        new ImageView(
                                                image,
                                                file,
                                                version,
                                                settled && version.equals(seen),
                                                before.allocatedBytes(),
                                                held));
                // A program that holds it may be about to write what it told the file system
                // already.
                outline = settle || held ? null : Outline.of(image);
            } catch (IOException e) {
                failure = e;
                outline =
                        e instanceof FormatException && !settle && !held
                                ? new Outline.Broken()
                                : null;
            }
            boolean moved =
                    held != QemuLocks.isHeldByProgram(posixFile)
                            || !version.equals(FileVersion.of(posixFile.stat()));
            if (moved && tries < LOOKS) {
                LockSupport.parkNanos(tries * PAUSE_NANOS);
                continue;
            }
            if (outline != null && !moved) {
                known.put(before, readAt, outline);
            }
            if (failure instanceof FormatException broken) {
                throw new ImageUnreadableException(id, broken);
            }
            if (failure != null) {
                throw failure;
            }
            if (result == null) {
                throw new ImageNotFoundException(id);
            }
            return result;
        }
    }

    /// Waits until every later change of the file must show in its version, or until that seems hopeless:
    /// a running machine writes all the time.
    ///
    /// @return whether it was so: then the version that was seen last is one to rely on
    private boolean settle() throws IOException {
        for (int tries = 0; tries < LOOKS; tries++) {
            FileVersion version = FileVersion.of(posixFile.stat());
            long now = System.nanoTime();
            if (!version.equals(seen)) {
                seen = version;
                seenSince = now;
            }
            long wait = version.nanosToSettle(now - seenSince);
            if (wait <= 0) {
                return true;
            }
            LockSupport.parkNanos(wait);
        }
        return false;
    }

    /// Opens the content of one bitmap. No lock is held when this returns.
    ///
    /// @throws ImageLockedException if a program holds the image for writing for longer than
    ///     `dirtymap.lock-wait`
    /// @throws BitmapUnusableException if the bitmap's content cannot be trusted
    public BitmapContent content(Id bitmap) throws ImageException, IOException {
        long deadline = System.nanoTime() + lockWait.toNanos();
        while (true) {
            record Found(@Nullable Bitmap bitmap, ImageView view) {}
            Found found =
                    look(view -> {
                        int at = view.image().bitmaps().find(bitmap.name());
                        return new Found(at < 0 ? null : view.image().bitmaps().get(at), view);
                    });
            if (found.bitmap == null) {
                throw missing(bitmap, found.view);
            }
            if (!found.view.heldForWriting()
                    && (found.view.settled() || System.nanoTime() - deadline >= 0)) {
                return content(found.bitmap, found.view);
            }
            pauseOrGiveUp(deadline, Holder.OTHER_PROGRAM);
        }
    }

    /// Opens the content of several bitmaps at once, all of the same version of the file.
    ///
    /// @throws ContentChangedException if the file changed meanwhile
    public List<BitmapContent> contents(List<Id> bitmaps) throws ImageException, IOException {
        List<BitmapContent> contents = new ArrayList<>();
        for (Id bitmap : bitmaps) {
            BitmapContent content = content(bitmap);
            if (!contents.isEmpty() && !contents.getFirst().version().equals(content.version())) {
                throw new ContentChangedException(id);
            }
            contents.add(content);
        }
        return contents;
    }

    /// Opens the content of a bitmap that a [#look] found.
    ///
    /// @throws ImageLockedException if the content is in the program that holds the image
    /// @throws BitmapUnusableException if the bitmap's content cannot be trusted
    /// @throws ContentChangedException if it has to be looked at again first: a program held it, or the file
    ///     keeps changing though none does
    public BitmapContent content(Bitmap bitmap, ImageView view)
            throws ImageLockedException, BitmapUnusableException, IOException {
        switch (bitmap.state()) {
            case CONSISTENT -> {
                if (view.heldForWriting()) {
                    awaitRelease();
                }
                if (view.heldForWriting() || !view.settled()) {
                    // What was seen is out of date, or a program that asks for no lock is writing
                    // and whatever is read now may change unseen.
                    throw new ContentChangedException(id);
                }
            }
            case IN_USE -> throw new ImageLockedException(id, Holder.OTHER_PROGRAM);
            case INCONSISTENT, ORPHANED, UNSUPPORTED, CORRUPT ->
                    throw new BitmapUnusableException(id, bitmap);
        }
        return new BitmapContent(this, bitmap, view);
    }

    /// Why a bitmap could not be found: there is none, or, where the directory is broken, nobody can tell.
    public ImageException missing(Id bitmap, ImageView view) {
        String broken = view.image().bitmaps().reason();
        return broken == null
                ? new BitmapNotFoundException(id, bitmap)
                : new BitmapUnusableException(id, bitmap, broken);
    }

    /// Waits until no program holds the image for writing.
    private void awaitRelease() throws ImageLockedException, IOException {
        long deadline = System.nanoTime() + lockWait.toNanos();
        while (QemuLocks.isHeldForWriting(posixFile)) {
            pauseOrGiveUp(
                    deadline,
                    QemuLocks.isServiceWriting(posixFile) ? Holder.SERVICE : Holder.OTHER_PROGRAM);
        }
    }

    /// What to do with a file that nobody changes meanwhile. May be run several times.
    @FunctionalInterface
    public interface Undisturbed<T> {
        T on(ImageFile file) throws IOException;
    }

    /// Reads as much of the file as it likes, for as long as it takes, without a lock that would keep a
    /// machine from starting: should anybody change the file meanwhile, the result counts for nothing and the
    /// work is done again.
    ///
    /// @throws ImageLockedException if a program holds the image for writing
    /// @throws ContentChangedException if the image changed each time
    public <T> T undisturbed(Undisturbed<T> work) throws ImageLockedException, IOException {
        for (int tries = 0; tries < UNDISTURBED_TRIES; tries++) {
            awaitRelease();
            boolean settled = settle();
            FileVersion version = version();
            @Nullable T result = null;
            @Nullable IOException failure = null;
            try {
                result = work.on(file);
            } catch (IOException e) {
                failure = e;
            }
            boolean moved =
                    !settled || !version.equals(version()) || QemuLocks.isHeldForWriting(posixFile);
            if (!moved && failure != null) {
                throw failure;
            }
            if (!moved && result != null) {
                return result;
            }
        }
        throw new ContentChangedException(id);
    }

    /// What to do under the reader's lock.
    @FunctionalInterface
    interface Step {
        /// Runs the step.
        ///
        /// @param deadlineNanos the `System.nanoTime` by which to be done
        void run(long deadlineNanos) throws IOException;
    }

    /// Runs one short step under the reader's lock, on a file that has not changed.
    ///
    /// @throws ContentChangedException if the file is not at `version` any more
    void step(FileVersion version, Step step) throws ImageLockedException, IOException {
        long start = System.nanoTime();
        try {
            step(version, step, start);
        } catch (ImageLockedException e) {
            meters.waited(Access.READ, start, e.holder());
            throw e;
        }
    }

    private void step(FileVersion version, Step step, long start)
            throws ImageLockedException, IOException {
        awaitTurn();
        long deadline = System.nanoTime() + lockWait.toNanos();
        while (true) {
            @Nullable Holder inTheWay;
            try {
                inTheWay = QemuLocks.tryRead(posixFile);
                if (inTheWay == null) {
                    meters.waited(Access.READ, start, null);
                    try {
                        run(step, version, System.nanoTime() + ReaderGate.STEP_NANOS);
                        return;
                    } finally {
                        QemuLocks.release(posixFile);
                    }
                }
            } finally {
                gate.leave();
            }
            pauseOrGiveUp(deadline, inTheWay);
            awaitTurn();
        }
    }

    private void awaitTurn() throws ImageLockedException {
        if (!gate.enter(System.nanoTime() + TURN_NANOS)) {
            throw new ImageLockedException(id, Holder.SERVICE);
        }
    }

    /// Runs a step between two looks at the file: a program that asks for no lock may change it even now, and
    /// what was read then, or the failure to read it, means nothing.
    private void run(Step step, FileVersion version, long deadlineNanos) throws IOException {
        requireUnchanged(version);
        try {
            step.run(deadlineNanos);
        } catch (IOException e) {
            requireUnchanged(version);
            throw e;
        }
        requireUnchanged(version);
    }

    private void requireUnchanged(FileVersion version) throws IOException {
        if (!FileVersion.of(posixFile.stat()).equals(version)) {
            throw new ContentChangedException(id);
        }
    }

    /// Pauses before another try, for a time that differs between those who wait.
    private void pauseOrGiveUp(long deadline, Holder inTheWay) throws ImageLockedException {
        if (System.nanoTime() - deadline >= 0) {
            throw new ImageLockedException(id, inTheWay);
        }
        LockSupport.parkNanos(PAUSE_NANOS + ThreadLocalRandom.current().nextLong(PAUSE_NANOS));
    }
}
