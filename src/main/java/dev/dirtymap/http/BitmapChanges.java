package dev.dirtymap.http;

import dev.dirtymap.access.AuditTrail;
import dev.dirtymap.images.Id;
import dev.dirtymap.images.ImageException;
import dev.dirtymap.images.ImageRefusedException;
import dev.dirtymap.images.ImageView;
import dev.dirtymap.images.Images;
import dev.dirtymap.images.LockedImages;
import dev.dirtymap.qcow2.Bitmap;
import dev.dirtymap.qcow2.BitmapDirectory;
import dev.dirtymap.qcow2.BitmapReader;
import dev.dirtymap.qcow2.BitmapState;
import dev.dirtymap.qcow2.BitmapsDraft;
import dev.dirtymap.qcow2.ChangeRefusedException;
import dev.dirtymap.qcow2.ReferencePoints;
import dev.dirtymap.qcow2.Totals;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Component;

/// Changes of one bitmap, and the answers that show what became of it.
@Component
class BitmapChanges {

    /// How long the answer to a transaction may count bits, while the images are still locked.
    private static final long MAX_NANOS = TimeUnit.SECONDS.toNanos(2);

    private static final Logger LOG = LoggerFactory.getLogger(BitmapChanges.class);

    private final Images images;

    BitmapChanges(Images images) {
        this.images = images;
    }

    /// What to do to the bitmaps of one image.
    @FunctionalInterface
    interface Change {
        void on(BitmapsDraft draft, LockedImages locked)
                throws ImageException, ChangeRefusedException, IOException;
    }

    /// Makes a change, and tells the audit log of it: every change comes this way.
    <T> T make(
            Collection<Id> changed,
            Collection<Id> sources,
            Images.Operations operations,
            Images.Answer<T> answer)
            throws ImageException, IOException {
        AuditTrail trail = AuditTrail.current();
        trail.images(changed);
        return images.change(
                changed,
                sources,
                locked -> {
                    note(locked, changed, trail::before);
                    operations.on(locked);
                },
                locked -> {
                    note(locked, changed, trail::after);
                    return answer.from(locked);
                });
    }

    private static void note(
            LockedImages locked, Collection<Id> images, BiConsumer<Id, String> etags) {
        for (Id image : images) {
            try {
                etags.accept(image, ImageBody.of(image, locked.view(image)).etag());
            } catch (ImageException | IOException broken) {
                // Has none: what is to be done may be just its repair.
                LOG.debug("image {} has no ETag", image, broken);
            }
        }
    }

    /// Changes one bitmap and shows it.
    ///
    /// @param sources images that are read from
    /// @param result the bitmap's name afterwards
    ResponseEntity<BitmapBody> change(
            Id image,
            Id bitmap,
            Collection<Id> sources,
            Id result,
            @Nullable String ifMatch,
            Change change)
            throws ImageException, IOException {
        return make(
                List.of(image),
                sources,
                locked -> {
                    new IfMatch(ifMatch).requireBitmap(locked, image, bitmap);
                    run(locked, image, change);
                },
                locked -> shown(ResponseEntity.ok(), locked.view(image), image, result));
    }

    /// Makes a bitmap and shows it.
    ///
    /// @param sources images that are read from
    ResponseEntity<BitmapBody> create(
            Id image, Id name, Collection<Id> sources, Precondition precondition, Change change)
            throws ImageException, IOException {
        AuditTrail.current().bitmaps(image, name.toString());
        URI location = URI.create("/v1/images/%s/bitmaps/%s".formatted(image, name));
        return make(
                List.of(image),
                sources,
                locked -> {
                    precondition.check(locked);
                    run(locked, image, change);
                },
                locked -> shown(ResponseEntity.created(location), locked.view(image), image, name));
    }

    /// What must hold before a change.
    @FunctionalInterface
    interface Precondition {
        void check(LockedImages locked) throws ImageException, IOException;
    }

    /// Runs a change of an image, whose refusals are about that image.
    static void run(LockedImages locked, Id image, Change change)
            throws ImageException, IOException {
        try {
            change.on(locked.draft(image), locked);
        } catch (ChangeRefusedException e) {
            throw new ImageRefusedException(image, e);
        }
    }

    private static ResponseEntity<BitmapBody> shown(
            ResponseEntity.BodyBuilder answer, ImageView view, Id image, Id name)
            throws IOException {
        BitmapDirectory directory = view.image().bitmaps();
        int position = directory.find(name.name());
        if (position < 0) {
            throw new ProblemException(
                    ProblemType.BITMAP_NOT_FOUND,
                    "image '%s' has no bitmap '%s'".formatted(image.text(), name.text()));
        }
        Bitmap bitmap = directory.get(position);
        BitmapBody body =
                BitmapBody.of(bitmap, totals(bitmap, view), view.image().referencePoints());
        return answer.eTag(BitmapBody.etag(image, view, bitmap)).body(body);
    }

    /// All bitmaps of a locked image. Bits are counted until it takes too long.
    static List<BitmapBody> all(ImageView view) throws IOException {
        BitmapDirectory directory = view.image().bitmaps();
        ReferencePoints points = view.image().referencePoints();
        long deadline = System.nanoTime() + MAX_NANOS;
        List<BitmapBody> all = new ArrayList<>();
        for (int i = 0; i < directory.count(); i++) {
            Bitmap bitmap = directory.get(i);
            boolean inTime = System.nanoTime() - deadline < 0;
            all.add(BitmapBody.of(bitmap, inTime ? totals(bitmap, view) : null, points));
        }
        return all;
    }

    private static @Nullable Totals totals(Bitmap bitmap, ImageView view) throws IOException {
        if (bitmap.state() != BitmapState.CONSISTENT) {
            return null;
        }
        BitmapReader reader = bitmap.reader(view.file());
        long never = System.nanoTime() + Long.MAX_VALUE / 2;
        return Totals.of((bit, run) -> reader.read(bit, run, never), bitmap.geometry());
    }
}
