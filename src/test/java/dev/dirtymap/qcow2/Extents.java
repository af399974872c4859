package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import dev.dirtymap.qcow2.ExtentScanner.Selection;
import dev.dirtymap.qcow2.ExtentScanner.Taker;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/// All extents at once, for the small bitmaps of the tests.
final class Extents {

    private static final long IN_A_MINUTE = 60_000_000_000L;

    private Extents() {}

    /// The dirty extents of a whole disk.
    static List<Extent> dirty(ImageFile file, Bitmap bitmap) throws IOException {
        Geometry geometry = bitmap.geometry();
        return all(
                new ExtentScanner(
                        patient(bitmap.reader(file)),
                        geometry,
                        Selection.DIRTY,
                        0,
                        geometry.virtualSize()));
    }

    /// What a source has left.
    static List<Extent> all(ExtentSource source) throws IOException {
        List<Extent> extents = new ArrayList<>();
        for (Extent extent = source.next(); extent != null; extent = source.next()) {
            extents.add(extent);
        }
        return extents;
    }

    /// Bits read with plenty of time.
    static BitSource patient(BitmapReader reader) {
        return (bit, run) -> reader.read(bit, run, System.nanoTime() + IN_A_MINUTE);
    }

    /// Bits read with a deadline that is always over already, so that each run is the smallest possible.
    static BitSource hasty(BitmapReader reader) {
        return (bit, run) -> reader.read(bit, run, System.nanoTime() - 1);
    }

    /// Bits read as under one hold of the lock: on and on while the scanner wants more.
    static BitSource goingOn(BitmapReader reader) {
        return goingOn(reader, () -> true);
    }

    /// The same, with holds that are over whenever it pleases them.
    ///
    /// @param goesOn whether to read on after a run
    static BitSource goingOn(BitmapReader reader, BooleanSupplier goesOn) {
        return new BitSource() {
            @Override
            public void read(long bit, BitRun run) throws IOException {
                patient(reader).read(bit, run);
            }

            @Override
            public void read(long bit, BitRun run, Taker taker) throws IOException {
                reader.read(
                        bit,
                        run,
                        taken -> {
                            BitRun next = taker.take(taken);
                            return goesOn.getAsBoolean() ? next : null;
                        },
                        System.nanoTime() + IN_A_MINUTE);
            }
        };
    }
}
