package dev.dirtymap.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleFunction;

/// Lines over two logarithmic axes, as an SVG picture that is read on any background.
final class Plot {

    private static final int WIDTH = 760;
    private static final int HEIGHT = 460;
    private static final int LEFT = 90;
    private static final int RIGHT = 150;
    private static final int TOP = 50;
    private static final int BOTTOM = 70;
    private static final List<String> COLOURS = List.of("#0b62a8", "#c4420b", "#2b7a3d");

    /// One place of a line.
    ///
    /// @param y in seconds, and from the quickest to the slowest run
    record Point(double x, double y, double low, double high) {

        Point(double x, Runs runs) {
            this(x, runs.median(), runs.quantile(0), runs.quantile(1));
        }
    }

    private record Line(String name, List<Point> points) {}

    private final String title;
    private final String xTitle;
    private final DoubleFunction<String> xText;
    private final List<Line> lines = new ArrayList<>();

    /// @param xText how a value on the horizontal axis is written
    Plot(String title, String xTitle, DoubleFunction<String> xText) {
        this.title = title;
        this.xTitle = xTitle;
        this.xText = xText;
    }

    void line(String name, List<Point> points) {
        lines.add(new Line(name, List.copyOf(points)));
    }

    String svg() {
        List<Point> all = lines.stream().flatMap(line -> line.points.stream()).toList();
        double left = all.stream().mapToDouble(Point::x).min().orElse(1);
        double right = all.stream().mapToDouble(Point::x).max().orElse(10);
        double low = decade(all.stream().mapToDouble(Point::low).min().orElse(0.001), false);
        double high = decade(all.stream().mapToDouble(Point::high).max().orElse(1), true);
        var svg = new StringBuilder();
        append(
                svg,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\""
                        + " font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">",
                WIDTH,
                HEIGHT,
                WIDTH,
                HEIGHT);
        append(svg, "<title>%s</title>", title);
        append(svg, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>", WIDTH, HEIGHT);
        text(svg, LEFT, 28, "start", "font-size=\"16\" font-weight=\"bold\"", title);
        for (double tick = low; tick <= high * 1.01; tick *= 10) {
            double y = place(tick, low, high, HEIGHT - BOTTOM, TOP);
            rule(svg, LEFT, y, WIDTH - RIGHT, y);
            text(svg, LEFT - 10, y + 4, "end", "", time(tick));
        }
        Line longest =
                lines.stream()
                        .max((a, b) -> Integer.compare(a.points.size(), b.points.size()))
                        .orElseThrow();
        for (Point point : longest.points) {
            double x = place(point.x, left, right, LEFT, WIDTH - RIGHT);
            rule(svg, x, TOP, x, HEIGHT - BOTTOM);
            text(svg, x, HEIGHT - BOTTOM + 20, "middle", "", xText.apply(point.x));
        }
        double middle = (LEFT + WIDTH - RIGHT) / 2.0;
        text(svg, middle, HEIGHT - 20, "middle", "", xTitle + " (logarithmic)");
        text(
                svg,
                22,
                (TOP + HEIGHT - BOTTOM) / 2.0,
                "middle",
                "transform=\"rotate(-90 22 %d)\"".formatted((TOP + HEIGHT - BOTTOM) / 2),
                "time (logarithmic)");
        for (int i = 0; i < lines.size(); i++) {
            draw(svg, lines.get(i), COLOURS.get(i % COLOURS.size()), left, right, low, high);
        }
        return svg.append("</svg>\n").toString();
    }

    private static void draw(
            StringBuilder svg,
            Line line,
            String colour,
            double left,
            double right,
            double low,
            double high) {
        var path = new StringBuilder();
        for (Point point : line.points) {
            double x = place(point.x, left, right, LEFT, WIDTH - RIGHT);
            double y = place(point.y, low, high, HEIGHT - BOTTOM, TOP);
            path.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
            append(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>", x, y, colour);
            append(
                    svg,
                    "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"/>",
                    x,
                    place(point.low, low, high, HEIGHT - BOTTOM, TOP),
                    x,
                    place(point.high, low, high, HEIGHT - BOTTOM, TOP),
                    colour);
            text(
                    svg,
                    x,
                    y - 9,
                    "middle",
                    "font-size=\"11\" fill=\"%s\"".formatted(colour),
                    time(point.y));
        }
        append(
                svg,
                "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>",
                path.toString().strip(),
                colour);
        Point last = line.points.getLast();
        text(
                svg,
                place(last.x, left, right, LEFT, WIDTH - RIGHT) + 12,
                place(last.y, low, high, HEIGHT - BOTTOM, TOP) + 5,
                "start",
                "font-weight=\"bold\" fill=\"%s\"".formatted(colour),
                line.name);
    }

    private static double place(double value, double low, double high, double from, double to) {
        return from + (to - from) * Math.log(value / low) / Math.log(high / low);
    }

    private static double decade(double value, boolean up) {
        double exponent = Math.log10(value);
        return Math.pow(10, up ? Math.ceil(exponent) : Math.floor(exponent));
    }

    private static String time(double seconds) {
        if (seconds >= 0.9995) {
            return trim(seconds) + " s";
        }
        return trim(seconds * 1e3) + " ms";
    }

    private static String trim(double value) {
        String format = value >= 99.5 ? "%.0f" : value >= 9.95 ? "%.0f" : "%.1f";
        return String.format(Locale.ROOT, format, value).replaceFirst("\\.0$", "");
    }

    private static void rule(StringBuilder svg, double x1, double y1, double x2, double y2) {
        append(
                svg,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>",
                x1,
                y1,
                x2,
                y2);
    }

    private static void text(
            StringBuilder svg, double x, double y, String anchor, String more, String text) {
        append(
                svg,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>",
                x,
                y,
                anchor,
                more,
                text);
    }

    // The annotation is not on the class path.
    @SuppressWarnings("AnnotateFormatMethod")
    private static void append(StringBuilder svg, String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
