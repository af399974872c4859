package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ExtentScanner.BitSource;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Several bitmaps of one disk, combined granule by granule while they are read (`api.md` 6.4). The result
/// has the finest granularity among them, so that it is exact whatever theirs are.
///
/// Holds one run of each operand and reads each operand at most once from where the reader begins, in the
/// reader's order: where one of them decides alone, as all zeros do in an intersection, the others are not
/// read at all.
///
/// Not safe for use by several threads at once.
public final class Algebra implements BitSource {

    /// How bits that stand for the same bytes become one.
    public enum Operation {
        /// Set in any of them.
        UNION,
        /// Set in all of them.
        INTERSECTION,
        /// Set in the first and in none of the others.
        DIFFERENCE,
        /// Set in an odd number of them.
        XOR;

        private long combine(long one, long other) {
            return switch (this) {
                case UNION -> one | other;
                case INTERSECTION -> one & other;
                case DIFFERENCE -> one & ~other;
                case XOR -> one ^ other;
            };
        }
    }

    /// One bitmap of those that are combined.
    public record Operand(BitSource bits, Geometry geometry) {}

    /// What all operands together may hold of mixed bits, in bytes, unless there are very many of them.
    private static final int MEMORY = 2 << 20;

    private static final int LEAST_PIECE = 4 << 10;

    private final Operation operation;
    private final List<Source> sources;
    private final Geometry geometry;
    private final int largestPiece;

    /// @param operands at least one, all of one virtual size
    public Algebra(Operation operation, List<Operand> operands) {
        if (operands.isEmpty()) {
            throw new IllegalArgumentException("operands must be at least one, but were none");
        }
        Geometry finest = operands.getFirst().geometry();
        for (Operand operand : operands) {
            if (operand.geometry().virtualSize() != finest.virtualSize()) {
                throw new IllegalArgumentException(
                        "operands must be of one virtual size, but were of %d and %d bytes"
                                .formatted(finest.virtualSize(), operand.geometry().virtualSize()));
            }
            if (operand.geometry().granularityBits() < finest.granularityBits()) {
                finest = operand.geometry();
            }
        }
        int granularityBits = finest.granularityBits();
        this.operation = operation;
        this.geometry = finest;
        this.sources =
                operands.stream()
                        .map(operand ->
                                new Source(
                                        operand.bits(),
                                        operand.geometry().granularityBits() - granularityBits))
                        .toList();
        int share = (MEMORY / operands.size()) & -LEAST_PIECE;
        this.largestPiece = Math.clamp(share, LEAST_PIECE, BitmapReader.MAX_PIECE);
    }

    /// The disk with the finest granularity of the operands.
    public Geometry geometry() {
        return geometry;
    }

    /// Fills `run` as [BitmapReader#read] does: on for as long as the bits are all 0 or all 1, or else one
    /// piece of mixed bits.
    ///
    /// @throws IOException if an operand cannot be read
    @Override
    public void read(long bit, BitRun run) throws IOException {
        run.start(bit);
        long end = geometry.bits();
        long at = bit;
        while (at < end) {
            long same = constant(at, run.bytes.length);
            if (same != 0) {
                BitRun.Kind kind = same > 0 ? BitRun.Kind.ONES : BitRun.Kind.ZEROS;
                if (!run.extend(kind, Math.min(end, Math.abs(same)))) {
                    return;
                }
            } else if (run.start() != run.end() && run.kind() == BitRun.Kind.ONES) {
                return;
            } else {
                long pieceEnd = mix(at, run);
                if (!isZero(run, words(at, pieceEnd))) {
                    run.mixed(at, pieceEnd);
                    return;
                }
                run.extend(BitRun.Kind.ZEROS, pieceEnd);
            }
            at = run.end();
        }
    }

    /// Where bits that are all the same end.
    ///
    /// @return the bit after the last of them, negative if they are 0; 0 if the operands do not say at once
    private long constant(long at, int piece) throws IOException {
        long result = 0;
        long agreed = Long.MAX_VALUE;
        boolean mixed = false;
        for (int i = 0; i < sources.size(); i++) {
            Source source = sources.get(i);
            source.seek(at, Math.min(piece, largestPiece));
            if (source.run.kind() == BitRun.Kind.MIXED) {
                // A later one may still decide.
                mixed = true;
                continue;
            }
            boolean ones = source.run.kind() == BitRun.Kind.ONES;
            if (decides(i, ones)) {
                return operation == Operation.UNION ? source.end() : -source.end();
            }
            long word = ones ? -1 : 0;
            result = i == 0 ? word : operation.combine(result, word);
            agreed = Math.min(agreed, source.end());
        }
        if (mixed) {
            return 0;
        }
        return result != 0 ? agreed : -agreed;
    }

    /// Whether the bits of one operand leave the others nothing to say.
    private boolean decides(int index, boolean ones) {
        return switch (operation) {
            case UNION -> ones;
            case INTERSECTION -> !ones;
            case DIFFERENCE -> index == 0 ? !ones : ones;
            case XOR -> false;
        };
    }

    /// Combines one piece, for as long as all operands have bits at hand.
    ///
    /// @return the bit after the last
    private long mix(long at, BitRun piece) {
        long end = Math.min(geometry.bits(), at + piece.bytes.length * 8L);
        for (Source source : sources) {
            end = Math.min(end, source.end());
        }
        int words = words(at, end);
        for (int i = 0; i < sources.size(); i++) {
            sources.get(i).combine(at, words, piece, i == 0 ? null : operation);
        }
        if ((end & 63) != 0) {
            piece.put(words - 1, piece.get(words - 1) & ((1L << (end & 63)) - 1));
        }
        return end;
    }

    private static int words(long from, long to) {
        return (int) ((to - from + 63) >>> 6);
    }

    private static boolean isZero(BitRun run, int words) {
        for (int i = 0; i < words; i++) {
            if (run.get(i) != 0) {
                return false;
            }
        }
        return true;
    }

    /// One operand, seen in bits of the finest granularity.
    private static final class Source {

        private final BitSource bits;

        /// log2 of how many fine bits one of its own stands for.
        private final int shift;

        private BitRun run = new BitRun(0);

        Source(BitSource bits, int shift) {
            this.bits = bits;
            this.shift = shift;
        }

        /// Has a run at hand that begins at or before a bit and ends after it.
        ///
        /// @param piece bytes to hold if it is read now
        void seek(long at, int piece) throws IOException {
            long own = at >>> shift;
            if (own >= run.start() && own < run.end()) {
                return;
            }
            if (run.bytes.length < piece) {
                run = new BitRun(piece);
            }
            bits.read(own & -64L, run);
            if (run.end() <= own) {
                throw new IllegalStateException("no progress at bit " + own);
            }
        }

        /// The fine bit after the last that is at hand; may lie past the end of the disk.
        long end() {
            return run.end() << shift;
        }

        /// Puts its bits into a piece.
        ///
        /// @param operation null for the first, which finds nothing there to combine with
        void combine(long at, int words, BitRun piece, @Nullable Operation operation) {
            for (int i = 0; i < words; i++) {
                long word = word(at + ((long) i << 6));
                piece.put(i, operation == null ? word : operation.combine(piece.get(i), word));
            }
        }

        /// 64 fine bits, with anything past the end of the disk.
        private long word(long at) {
            return switch (run.kind()) {
                case ZEROS -> 0;
                case ONES -> -1;
                case MIXED -> {
                    long own = at >>> shift;
                    long word = run.word(own) >>> own;
                    if (shift == 0) {
                        yield word;
                    }
                    yield shift >= 6 ? -(word & 1) : spread(word, shift);
                }
            };
        }

        /// Makes 2^shift bits of each of the lowest bits, so many as fill a word.
        private static long spread(long word, int shift) {
            long each = (1L << (1 << shift)) - 1;
            // A word of which every 2^shift-th bit is set.
            long places = Long.divideUnsigned(-1, each);
            return Long.expand(word, places) * each;
        }
    }
}
