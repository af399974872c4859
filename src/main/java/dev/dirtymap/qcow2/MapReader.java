package dev.dirtymap.qcow2;

import java.io.IOException;
import java.util.List;

/// Reads the map of a disk, run by run, from one image or from a whole backing chain; equal to what
/// `qemu-img map --output=json` prints (`get_block_status` of `qemu-img.c`).
///
/// Tables are read in slices as the walk comes to them, so memory does not depend on the image, and a start
/// in the middle costs nothing of what lies before it. What was read is worked through without the files, so that they
/// need to be locked for the reading alone. Holds what it read last: good for as long as no file
/// of the chain changes. Not safe for use by several threads at once.
public final class MapReader {

    /// After so many runs that took no reading, more of them are likely to follow.
    private static final int QUICK_RUNS = 64;

    private final LayerReader[] layers;
    private final boolean chain;

    /// The layer that decides at the place last looked for, and how far its run is the one that is seen.
    private int depth;

    private long limit;
    private boolean zero;

    /// Whether it took more than memory to find out.
    private boolean slow;

    private MapReader(List<MapLayer> layers, boolean chain) throws IOException {
        this.layers = new LayerReader[layers.size()];
        byte[] buffer = new byte[ClusterMap.L2_SLICE];
        for (int i = 0; i < this.layers.length; i++) {
            this.layers[i] = LayerReader.of(layers.get(i), buffer);
        }
        this.chain = chain;
    }

    /// The map of one image by itself. If it has a backing file, nobody knows what is read where it has
    /// nothing: it is not said to be zeros.
    public static MapReader ofImage(MapLayer.Qcow2 image) throws IOException {
        return new MapReader(List.of(image), false);
    }

    /// The map of a whole chain.
    ///
    /// @param layers the image itself, its backing file, and so on to one that has none
    public static MapReader ofChain(List<MapLayer> layers) throws IOException {
        return new MapReader(layers, true);
    }

    /// The size of the disk in bytes.
    public long virtualSize() {
        return layers[0].size();
    }

    /// Fills the piece from `offset` on with what is known, without touching a file: most runs, when tables are full.
    ///
    /// @param offset less than the virtual size
    /// @return false if [#read] has to go on, since there is room and the disk does not end here
    /// @throws FormatException as [#read]
    public boolean readKnown(long offset, MapPiece piece) throws IOException {
        piece.start(offset);
        long end = Math.min(virtualSize(), piece.limit());
        while (piece.end() < end) {
            if (!find(piece.end(), false)) {
                return false;
            }
            if (!add(piece)) {
                return true;
            }
        }
        return true;
    }

    /// Reads on where the piece ends, until it is full, the disk ends, the time is up, or some runs took no reading.
    /// Without time left it does at least one small step, which may yield no run yet: then call again.
    ///
    /// @param deadlineNanos the `System.nanoTime` at which to stop
    /// @throws FormatException with a rule whose effect is [Rule.Effect#UNMAPPABLE], where QEMU fails, too
    public void read(MapPiece piece, long deadlineNanos) throws IOException {
        long end = Math.min(virtualSize(), piece.limit());
        int quick = 0;
        while (piece.end() < end && quick < QUICK_RUNS) {
            if (find(piece.end(), true) && !add(piece)) {
                return;
            }
            quick++;
            if (slow) {
                quick = 0;
                if (System.nanoTime() - deadlineNanos >= 0) {
                    return;
                }
            }
        }
    }

    /// Goes down the chain until a file has something (`get_block_status`) or ends before the place
    /// (`bdrv_co_block_status`: what lies behind the end of a backing file is zeros).
    ///
    /// @return false if more steps are needed to know
    private boolean find(long offset, boolean mayRead) throws IOException {
        depth = 0;
        limit = Long.MAX_VALUE;
        slow = false;
        while (true) {
            LayerReader layer = layers[depth];
            long before = mayRead ? layer.effort() : 0;
            boolean known = layer.find(offset, mayRead);
            slow |= mayRead && layer.effort() != before;
            if (!known) {
                return false;
            }
            limit = Math.min(limit, layer.run.end);
            zero = (layer.run.origin & MapRun.ZEROS) != 0;
            if (layer.run.origin != MapRun.UNALLOCATED) {
                return true;
            }
            if (depth == layers.length - 1) {
                zero = chain || layer.isBottom();
                return true;
            }
            long below = layers[depth + 1].size();
            if (offset >= below) {
                zero = true;
                return true;
            }
            limit = Math.min(limit, below);
            depth++;
        }
    }

    private boolean add(MapPiece piece) {
        return piece.add(limit, depth, layers[depth].run, zero);
    }
}
