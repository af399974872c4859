package dev.dirtymap.twin;

import dev.dirtymap.testimages.Range;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A change of one image's bitmaps, as it is put to the service and to QEMU.
sealed interface Operation {

    /// A new bitmap.
    ///
    /// @param granularity in bytes; null for the default
    /// @param point what a reference point says as last backup; null for no reference point, here and below
    record Create(
            String bitmap, @Nullable Long granularity, boolean enabled, @Nullable String point)
            implements Operation {}

    record Delete(String bitmap) implements Operation {}

    /// The end of all in one state.
    ///
    /// @param state `CONSISTENT`, `INCONSISTENT` or `ALL`
    record DeleteAll(String state) implements Operation {}

    record Clear(String bitmap, @Nullable String point) implements Operation {}

    record Enable(String bitmap, boolean enabled) implements Operation {}

    record Rename(String bitmap, String name) implements Operation {}

    /// A new reference point, or with null none.
    record Refer(String bitmap, @Nullable String point) implements Operation {}

    record Merge(String bitmap, List<Source> sources) implements Operation {}

    /// A bitmap to merge from.
    ///
    /// @param image which file has it
    record Source(String image, String bitmap) {}

    /// A new bitmap with the content of another one.
    ///
    /// @param image which file gets the copy
    /// @param granularity null for that of the source
    /// @param enabled null for that of the source
    record Copy(
            String bitmap,
            String image,
            String name,
            @Nullable Long granularity,
            @Nullable Boolean enabled)
            implements Operation {}

    record Mark(String bitmap, List<Range> ranges, boolean dirty) implements Operation {}

    /// Another content.
    ///
    /// @param ranges ascending, of whole granules but for the last, never touching each other
    record Replace(String bitmap, List<Range> ranges) implements Operation {}

    record Transaction(List<Operation> operations) implements Operation {}

    /// A piece of a transaction over several images.
    ///
    /// @param operation one that may be in a transaction
    record Part(String file, Operation operation) {}
}
