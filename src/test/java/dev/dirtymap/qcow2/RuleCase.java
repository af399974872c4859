package dev.dirtymap.qcow2;

import dev.dirtymap.testimages.ImageBytes;
import dev.dirtymap.testimages.ImageBytes.Extension;
import java.util.ArrayList;
import java.util.List;

/// One way to break one rule.
///
/// @param rule the rule that is broken, and no other before it
/// @param base the sound image to start from
/// @param damage what is broken
/// @param affected the positions of the bitmaps that are broken by it, in directory order; those of its other bitmaps
///     that can be found stay readable. The sentence is the reason of the first of them
record RuleCase(Rule rule, Base base, Damage damage, List<Integer> affected) {

    /// A sound image.
    enum Base {
        /// 1 MiB in clusters of 64 KiB, with the bitmaps of [RuleImages].
        PLAIN,
        /// The same in clusters of 8 KiB.
        SMALL_CLUSTERS,
        /// 1 MiB encrypted with LUKS, without bitmaps.
        LUKS,
        /// The same, with an internal snapshot.
        SNAPSHOT,
        /// 2 TiB in clusters of 4 KiB, without bitmaps.
        LARGE
    }

    /// Breaks an image.
    @FunctionalInterface
    interface Damage {
        /// Does it, and gives the sentence that the user must read.
        String inflict(ImageBytes bytes);
    }

    /// Damage to the image as a whole, or to a structure that all bitmaps share.
    static RuleCase of(Rule rule, Base base, Damage damage) {
        return new RuleCase(rule, base, damage, List.of());
    }

    /// Damage to the first bitmap.
    static RuleCase ofFirstBitmap(Rule rule, Damage damage) {
        return new RuleCase(rule, Base.PLAIN, damage, List.of(0));
    }

    @Override
    public String toString() {
        return rule.toString();
    }

    /// Puts a header extension before all others.
    ///
    /// @return where its data starts
    static long prepend(ImageBytes bytes, int id, String data) {
        List<Extension> extensions = new ArrayList<>(bytes.extensions());
        extensions.addFirst(new Extension(0, id, data));
        bytes.extensions(extensions);
        return bytes.headerLength() + 8;
    }

    /// Takes a header extension out.
    static void remove(ImageBytes bytes, int id) {
        bytes.extensions(bytes.extensions().stream().filter(e -> e.id() != id).toList());
    }

    /// Replaces the data of the bitmaps extension.
    ///
    /// @return where it starts
    static long replaceBitmapsPayload(ImageBytes bytes, String data) {
        long at = bytes.bitmapsPayload();
        bytes.extensions(
                bytes.extensions().stream()
                        .map(e ->
                                e.id() == ImageBytes.BITMAPS_EXTENSION
                                        ? new Extension(0, e.id(), data)
                                        : e)
                        .toList());
        return at;
    }

    /// Gives the first bitmap another name and extra data, in a directory that is sound but for these.
    ///
    /// @return where its entry starts
    static long rename(ImageBytes bytes, byte[] extraData, byte[] name) {
        long directory = bytes.directoryOffset();
        long second = bytes.directoryEntry(1);
        int restLength = (int) (directory + bytes.directorySize() - second);
        byte[] rest = bytes.read(second, restLength);
        bytes.u16(directory + 18, name.length).u32(directory + 20, extraData.length);
        int length = (24 + extraData.length + name.length + 7) & -8;
        bytes.write(directory + 24, new byte[length - 24]);
        bytes.write(directory + 24, extraData);
        bytes.write(directory + 24 + extraData.length, name);
        bytes.write(directory + length, rest);
        bytes.u64(bytes.bitmapsPayload() + 8, length + restLength);
        return directory;
    }

    /// The name as it is, with extra data.
    static long rename(ImageBytes bytes, byte[] name) {
        return rename(bytes, new byte[0], name);
    }
}
