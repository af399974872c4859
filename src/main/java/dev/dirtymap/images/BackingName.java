package dev.dirtymap.images;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/// Finds the file that an image names, beneath the root: relative to the folder of the image, as QEMU does for a
/// backing file (`path_combine`), and for a data file, too, which QEMU looks for in the folder that it was started
/// in. A name is only text here; whether a link leads astray is for the root folder to see.
final class BackingName {

    private BackingName() {}

    /// The path beneath the root.
    ///
    /// @param root the absolute path of the root
    /// @param image the path beneath the root of the file that names it
    /// @param name as it is stored
    /// @throws BackingUnavailableException if it is no path, or leads out of the root
    static byte[] resolve(byte[] root, byte[] image, String name)
            throws BackingUnavailableException {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (hasProtocol(bytes)) {
            throw unavailable(image, name, "only names of files are followed, no protocols");
        }
        List<byte[]> parts = new ArrayList<>();
        if (bytes[0] != '/') {
            parts.addAll(split(image));
            parts.removeLast();
            parts.addAll(split(bytes));
            return beneath(parts, image, name);
        }
        List<byte[]> absolute = normalised(split(bytes), image, name);
        List<byte[]> rootParts = normalised(split(root), image, name);
        int depth = rootParts.size();
        boolean within = absolute.size() > depth;
        for (int i = 0; within && i < depth; i++) {
            within = Arrays.equals(absolute.get(i), rootParts.get(i));
        }
        if (!within) {
            throw outside(image, name);
        }
        return beneath(absolute.subList(depth, absolute.size()), image, name);
    }

    /// As QEMU tells a protocol from a path (`path_has_protocol` of `block.c`): a colon before any slash.
    private static boolean hasProtocol(byte[] name) {
        for (byte b : name) {
            if (b == ':' || b == '/') {
                return b == ':';
            }
        }
        return false;
    }

    private static byte[] beneath(List<byte[]> parts, byte[] image, String name)
            throws BackingUnavailableException {
        ByteArrayOutputStream path = new ByteArrayOutputStream();
        for (byte[] part : normalised(parts, image, name)) {
            if (path.size() > 0) {
                path.write('/');
            }
            path.writeBytes(part);
        }
        return path.toByteArray();
    }

    /// Without empty parts, `.` and `..`.
    private static List<byte[]> normalised(List<byte[]> parts, byte[] image, String name)
            throws BackingUnavailableException {
        Deque<byte[]> kept = new ArrayDeque<>();
        for (byte[] part : parts) {
            if (isDots(part, 2)) {
                if (kept.pollLast() == null) {
                    throw outside(image, name);
                }
            } else if (part.length > 0 && !isDots(part, 1)) {
                kept.addLast(part);
            }
        }
        return List.copyOf(kept);
    }

    private static boolean isDots(byte[] part, int count) {
        return part.length == count && part[0] == '.' && part[count - 1] == '.';
    }

    private static List<byte[]> split(byte[] path) {
        List<byte[]> parts = new ArrayList<>();
        int start = 0;
        for (int i = 0; i <= path.length; i++) {
            if (i == path.length || path[i] == '/') {
                parts.add(Arrays.copyOfRange(path, start, i));
                start = i + 1;
            }
        }
        return parts;
    }

    private static BackingUnavailableException outside(byte[] image, String name) {
        return unavailable(image, name, "it is outside the root");
    }

    private static BackingUnavailableException unavailable(
            byte[] image, String name, String reason) {
        return new BackingUnavailableException(Id.of(image).text(), name, reason);
    }
}
