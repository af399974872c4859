package dev.dirtymap.testimages;

import java.util.ArrayList;
import java.util.List;

/// Images whose header says something that QEMU 7.2 does not write but has to live with.
final class HeaderImages {

    private static final long GIB = 1L << 30;
    private static final long BITMAPS_BIT = 1;
    private static final long DIRTY_BIT = 1;
    private static final long CORRUPT_BIT = 2;

    private HeaderImages() {}

    static List<LazyCase> cases() {
        List<LazyCase> cases = new ArrayList<>();
        cases.add(
                new LazyCase(
                        "unknown-extensions",
                        "extensions nobody knows, before and after the bitmaps",
                        draft -> {
                            ImageBytes bytes = usual(draft).bytes();
                            List<ImageBytes.Extension> extensions =
                                    new ArrayList<>(bytes.extensions());
                            extensions.addFirst(new ImageBytes.Extension(0, 0x12345678, "hello"));
                            extensions.addLast(new ImageBytes.Extension(0, 0x0badcafe, ""));
                            extensions.addLast(
                                    new ImageBytes.Extension(
                                            0, 0x7fffffff, "\u0000\u00ff12345678"));
                            bytes.extensions(extensions);
                        }));
        cases.add(
                new LazyCase(
                        "unknown-bits",
                        "compatible bits 5 and 40 and autoclear bit 7 are set",
                        draft ->
                                usual(draft)
                                        .bytes()
                                        .setBits64(
                                                ImageBytes.COMPATIBLE_FEATURES,
                                                (1L << 5) | (1L << 40))
                                        .setBits64(ImageBytes.AUTOCLEAR_FEATURES, 1L << 7)));
        cases.add(
                new LazyCase(
                        "unknown-header-field",
                        "a header of 120 bytes, the last 8 of which nobody knows",
                        draft -> {
                            ImageBytes bytes = usual(draft).bytes();
                            List<ImageBytes.Extension> extensions = bytes.extensions();
                            bytes.u32(100, 120)
                                    .u64(112, 0x1122334455667788L)
                                    .extensions(extensions);
                        }));
        cases.add(
                new LazyCase(
                        "short-header",
                        "a header of 104 bytes without a compression type, as QEMU before 5.1 wrote it",
                        draft -> {
                            ImageBytes bytes = usual(draft).bytes();
                            List<ImageBytes.Extension> extensions = bytes.extensions();
                            bytes.u32(100, 104).extensions(extensions);
                        }));
        cases.add(
                new LazyCase(
                        "no-feature-names",
                        "the bitmaps extension is the only one",
                        draft -> {
                            ImageBytes bytes = usual(draft).bytes();
                            bytes.extensions(
                                    bytes.extensions().stream()
                                            .filter(e -> e.id() == ImageBytes.BITMAPS_EXTENSION)
                                            .toList());
                        }));
        cases.add(
                new LazyCase(
                        "orphaned",
                        "the autoclear bit is not set, the extension is still there; clusters leak",
                        draft ->
                                usual(draft)
                                        .mark(BitmapSpec.State.ORPHANED)
                                        .bytes()
                                        .clearBits64(ImageBytes.AUTOCLEAR_FEATURES, BITMAPS_BIT)));
        cases.add(
                new LazyCase(
                        "orphaned-version-2",
                        "made a version 2 image by amend, which leaves the extension; clusters leak",
                        draft -> {
                            usual(draft).mark(BitmapSpec.State.ORPHANED);
                            draft.qemuImg()
                                    .run(
                                            "amend",
                                            "-q",
                                            "-f",
                                            "qcow2",
                                            "-o",
                                            "compat=0.10",
                                            "./" + Draft.FILE);
                        }));
        cases.add(
                new LazyCase(
                        "dirty-bit",
                        "the incompatible bit that says refcounts may be wrong",
                        draft ->
                                usual(draft)
                                        .bytes()
                                        .setBits64(ImageBytes.INCOMPATIBLE_FEATURES, DIRTY_BIT)));
        cases.add(
                new LazyCase(
                        "corrupt-bit",
                        "the incompatible bit that forbids writing",
                        draft ->
                                usual(draft)
                                        .bytes()
                                        .setBits64(ImageBytes.INCOMPATIBLE_FEATURES, CORRUPT_BIT)));
        cases.add(
                new LazyCase(
                        "ends-within-cluster",
                        "the file ends inside its last cluster; the rest reads as zeros",
                        draft -> {
                            ImageBytes bytes = usual(draft).bytes();
                            long end = bytes.length();
                            while (end > 0 && bytes.u8(end - 1) == 0) {
                                end--;
                            }
                            bytes.truncate(end);
                        }));
        return cases;
    }

    private static Draft usual(Draft draft) {
        return draft.create(GIB + 512).add(4096, 65536).scatter(30);
    }
}
