package dev.dirtymap.images;

import dev.dirtymap.posix.FileStat;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/// What files were found to be, so that a list need not read them again: for each version of a file its
/// [Outline], which nothing but a change of the file can change.
///
/// A change always moves the change time, which no program can set, unless it comes within the same tick of the
/// clock as the one before ("racily clean" in git). So only what was read at least [FileVersion#SKEW_NANOS] after
/// the change time is kept: any later change then has a later time. The time when the file was made guards against
/// a number that is given to another file after a clock was set back.
///
/// The place of a file follows from its number, among [#WAYS]; where they are taken one is given up at random. So
/// it takes some 120 bytes for each file, less than a sixteenth of the heap in all, and with more files than places
/// some are read each time.
final class KnownFiles {

    /// How much heap there must be for each place.
    private static final long HEAP_BYTES = 2 << 10;

    private static final int WAYS = 8;

    private record Known(long device, long bornNanos, FileVersion version, Outline outline) {

        boolean isOf(FileStat stat) {
            return device == stat.device() && version.inode() == stat.inode();
        }

        boolean isNow(FileStat stat) {
            return device == stat.device()
                    && bornNanos == stat.bornNanos()
                    && version.equals(FileVersion.of(stat));
        }
    }

    private final @Nullable Known[] places;

    KnownFiles() {
        this(Math.clamp(Runtime.getRuntime().maxMemory() / HEAP_BYTES, 1 << 12, 1 << 22));
    }

    /// @param count how many files are kept at most, at least [#WAYS]
    KnownFiles(int count) {
        this.places = new Known[count / WAYS * WAYS];
    }

    /// What a file is; null if that is not known of this version of it.
    synchronized @Nullable Outline get(FileStat stat) {
        int first = first(stat);
        for (int i = first; i < first + WAYS; i++) {
            Known known = places[i];
            if (known != null && known.isNow(stat)) {
                return known.outline;
            }
        }
        return null;
    }

    /// Keeps what was read from a file.
    ///
    /// @param stat the file before it was read
    /// @param readAtMillis the time before it was read, since the epoch
    synchronized void put(FileStat stat, long readAtMillis, Outline outline) {
        FileVersion version = FileVersion.of(stat);
        if (!version.isPast(readAtMillis)) {
            return;
        }
        int first = first(stat);
        int place = first + ThreadLocalRandom.current().nextInt(WAYS);
        for (int i = first + WAYS - 1; i >= first; i--) {
            Known known = places[i];
            if (known == null) {
                place = i;
            } else if (known.isOf(stat)) {
                place = i;
                break;
            }
        }
        places[place] = new Known(stat.device(), stat.bornNanos(), version, outline);
    }

    /// Spreads numbers in a row, as file systems give them, over all places.
    private int first(FileStat stat) {
        long mixed = stat.inode() * 31 + stat.device();
        mixed = (mixed ^ mixed >>> 33) * 0xFF51AFD7ED558CCDL;
        return Math.floorMod(mixed ^ mixed >>> 33, places.length / WAYS) * WAYS;
    }
}
