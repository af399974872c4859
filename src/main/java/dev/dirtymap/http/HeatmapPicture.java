package dev.dirtymap.http;

import dev.dirtymap.images.Id;
import dev.dirtymap.qcow2.Geometry;
import dev.dirtymap.qcow2.Heatmap;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;

/// A heatmap as a picture that a person reads at a glance: the disk from left to right, each slice as high
/// as its share that is dirty. Plain SVG 1.1 without scripts, styles or fonts to load; the same bytes for the
/// same numbers.
record HeatmapPicture(Id image, Id bitmap, Geometry geometry, Heatmap heatmap) {

    private static final int WIDTH = 960;
    private static final int HEIGHT = 320;
    private static final int LEFT = 60;
    private static final int RIGHT = 930;
    private static final int TOP = 84;
    private static final int BOTTOM = 270;

    /// How many characters of a name are seen; all of it is in the picture's title.
    private static final int SEEN = 40;

    /// The largest number of steps on the axis of the disk.
    private static final int STEPS = 8;

    private static final List<String> UNITS =
            List.of("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB");

    private static final int REPLACEMENT = 0xfffd;

    String svg() {
        StringBuilder svg = new StringBuilder(4096);
        svg.append(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" \
                role="img" font-family="sans-serif" font-size="13" fill="#333">
                """
                        .formatted(WIDTH, HEIGHT, WIDTH, HEIGHT));
        svg.append("<title>%s</title>\n".formatted(title(Integer.MAX_VALUE)));
        svg.append("<desc>%s</desc>\n".formatted(summary()));
        svg.append("<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n".formatted(WIDTH, HEIGHT));
        text(svg, LEFT, 32, "start", "font-size=\"18\" font-weight=\"bold\"", title(SEEN));
        text(svg, LEFT, 56, "start", "", summary());
        shareAxis(svg);
        diskAxis(svg);
        svg.append("<path fill=\"#c2410c\" d=\"%s\"/>\n".formatted(bars()));
        svg.append(
                "<path fill=\"none\" stroke=\"#333\" d=\"M%d %dV%dH%d\"/>\n"
                        .formatted(LEFT, TOP, BOTTOM, RIGHT));
        return svg.append("</svg>\n").toString();
    }

    private static void text(
            StringBuilder svg, long x, int y, String anchor, String attributes, String text) {
        svg.append(
                "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\"%s>%s</text>\n"
                        .formatted(
                                x, y, anchor, attributes.isEmpty() ? "" : " " + attributes, text));
    }

    private String title(int seen) {
        return "%s \u2013 dirty parts of %s"
                .formatted(escape(bitmap.text(), seen), escape(image.text(), seen));
    }

    private String summary() {
        long dirty = heatmap.dirtyBytes().stream().mapToLong(Long::longValue).sum();
        return "%s of %s dirty (%s), in slices of %s"
                .formatted(
                        size(dirty, 1),
                        size(geometry.virtualSize(), 1),
                        percent(dirty, geometry.virtualSize()),
                        size(heatmap.bucketLength(), 1));
    }

    /// Of what is neither nothing nor everything, neither is said.
    private static String percent(long part, long whole) {
        if (part == 0) {
            return "0 %";
        }
        double percent = 100.0 * part / whole;
        if (part < whole && percent > 99.9) {
            return "over 99.9 %";
        }
        return percent < 0.1 ? "under 0.1 %" : String.format(Locale.ROOT, "%.1f %%", percent);
    }

    private static void shareAxis(StringBuilder svg) {
        for (int share = 0; share <= 100; share += 25) {
            int y = BOTTOM - (BOTTOM - TOP) * share / 100;
            if (share > 0) {
                svg.append(
                        "<path fill=\"none\" stroke=\"#ddd\" d=\"M%d %dH%d\"/>\n"
                                .formatted(LEFT, y, RIGHT));
            }
            text(svg, LEFT - 8, y + 4, "end", "", share + " %");
        }
    }

    /// Ticks at multiples of a power of two, which stand at round numbers of their unit.
    private void diskAxis(StringBuilder svg) {
        long virtualSize = geometry.virtualSize();
        long step = 512;
        while (virtualSize / STEPS >= step) {
            step <<= 1;
        }
        int ticks = virtualSize == 0 ? 0 : (int) (virtualSize / step);
        for (int i = 0; i <= ticks; i++) {
            long x = x(i * step);
            svg.append(
                    "<path fill=\"none\" stroke=\"#333\" d=\"M%d %dv6\"/>\n".formatted(x, BOTTOM));
            text(svg, x, BOTTOM + 22, "middle", "", i == 0 ? "0" : size(i * step, 3));
        }
        text(svg, (LEFT + RIGHT) / 2, BOTTOM + 42, "middle", "", "offset on the disk");
    }

    /// All bars as one path, in tenths of a unit across, so that thousands of them stay small. What is dirty
    /// at all is seen, be it ever so little.
    private String bars() {
        StringBuilder path = new StringBuilder();
        long bucketLength = heatmap.bucketLength();
        for (int i = 0; i < heatmap.dirtyBytes().size(); i++) {
            long dirty = heatmap.dirtyBytes().get(i);
            if (dirty == 0) {
                continue;
            }
            long start = i * bucketLength;
            long length = Math.min(bucketLength, geometry.virtualSize() - start);
            double height = Math.max(1, (BOTTOM - TOP) * ((double) dirty / length));
            double from = exactX(start);
            double width = Math.max(0.5, exactX(start + length) - from);
            path.append(
                    String.format(
                            Locale.ROOT,
                            "M%.1f %dv%.1fh%.1fv%.1fz",
                            from,
                            BOTTOM,
                            -height,
                            width,
                            height));
        }
        return path.toString();
    }

    private long x(long offset) {
        return Math.round(exactX(offset));
    }

    private double exactX(long offset) {
        return geometry.virtualSize() == 0
                ? LEFT
                : LEFT + (RIGHT - LEFT) * ((double) offset / geometry.virtualSize());
    }

    /// Bytes in the largest unit of which there is one.
    private static String size(long bytes, int decimals) {
        int unit = bytes < 1024 ? 0 : (63 - Long.numberOfLeadingZeros(bytes)) / 10;
        BigDecimal value =
                BigDecimal.valueOf(bytes)
                        .divide(
                                BigDecimal.valueOf(1L << (10 * unit)),
                                decimals,
                                RoundingMode.HALF_UP)
                        .stripTrailingZeros();
        return value.toPlainString() + " " + UNITS.get(unit);
    }

    /// A name as XML text, cut where it is too long to be seen. What XML does not allow, and what would turn
    /// the text around it, is replaced.
    private static String escape(String name, int seen) {
        StringBuilder text = new StringBuilder();
        int[] characters = name.codePoints().toArray();
        int end = characters.length <= seen ? characters.length : seen - 1;
        for (int i = 0; i < end; i++) {
            switch (characters[i]) {
                case '&' -> text.append("&amp;");
                case '<' -> text.append("&lt;");
                case '>' -> text.append("&gt;");
                case '"' -> text.append("&quot;");
                case '\'' -> text.append("&#39;");
                default ->
                        text.appendCodePoint(isPlain(characters[i]) ? characters[i] : REPLACEMENT);
            }
        }
        return end < characters.length ? text.append('\u2026').toString() : text.toString();
    }

    private static boolean isPlain(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR ->
                    false;
            default -> true;
        };
    }
}
