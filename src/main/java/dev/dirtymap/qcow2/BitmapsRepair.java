package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Decides which bitmaps stand in the way of an image being opened, so that giving up those makes it usable
/// again with all others kept. Guest data and its tables are never touched.
///
/// Where the directory can be followed, each entry that breaks the format goes, as do both of two with one
/// name, since nobody can tell which one is meant. Where it breaks off or its sums are wrong, what is left
/// of it is kept only if it is a whole bitmap with a valid table, which no rubbish is by chance. Where the
/// extension itself is broken, all bitmaps go.
final class BitmapsRepair {

    private final BitmapDirectory directory;
    private final boolean dropUnsupported;

    /// @param dropUnsupported whether bitmaps that are legal but unknown to us or QEMU go too
    BitmapsRepair(BitmapDirectory directory, boolean dropUnsupported) {
        this.directory = directory;
        this.dropUnsupported = dropUnsupported;
    }

    /// What to give up.
    ///
    /// @param positions in the directory
    /// @param actions the same for people
    /// @param isNeeded whether anything is to be written
    record Decision(List<Integer> positions, List<RepairAction> actions, boolean isNeeded) {}

    Decision decide() throws IOException {
        Violation structural = directory.structural();
        if (directory.isOrphaned()) {
            // Void already. Where the directory can be followed they can be deleted as well.
            return structural == null ? new Decision(List.of(), List.of(), false) : all(structural);
        }
        List<Integer> positions = new ArrayList<>();
        List<RepairAction> actions = new ArrayList<>();
        boolean anyKept = false;
        for (int i = 0; i < directory.count(); i++) {
            Bitmap bitmap = directory.get(i);
            if (isDropped(bitmap, structural)) {
                positions.add(i);
                actions.add(new RepairAction.DropBitmap(bitmap.name(), reason(bitmap, structural)));
            } else {
                anyKept = true;
            }
        }
        if (structural != null && !anyKept) {
            return all(structural);
        }
        return new Decision(positions, actions, structural != null || !positions.isEmpty());
    }

    private boolean isDropped(Bitmap bitmap, @Nullable Violation structural) {
        return switch (bitmap.state()) {
            case CORRUPT -> true;
            case UNSUPPORTED -> dropUnsupported || structural != null;
            case CONSISTENT -> false;
            // Without a table to look at, nothing tells it from rubbish.
            case INCONSISTENT, IN_USE, ORPHANED -> structural != null;
        };
    }

    private static String reason(Bitmap bitmap, @Nullable Violation structural) {
        String reason = bitmap.reason();
        return structural == null || reason == null
                ? String.valueOf(reason)
                : reason + "; " + structural;
    }

    private Decision all(Violation structural) {
        List<Integer> positions = new ArrayList<>();
        for (int i = 0; i < directory.count(); i++) {
            positions.add(i);
        }
        return new Decision(
                positions, List.of(new RepairAction.DropAllBitmaps(structural.toString())), true);
    }
}
