package dev.dirtymap.qcow2;

import dev.dirtymap.qcow2.ImageFile.Stretch;
import dev.dirtymap.qcow2.SparseCheck.Answer;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// What one file of a chain has at a place (`bdrv_co_block_status` of `block/io.c` for one node).
abstract sealed class LayerReader {

    final MapRun run = new MapRun();

    /// @param buffer of [ClusterMap#L2_SLICE], in use only during a call
    static LayerReader of(MapLayer layer, byte[] buffer) throws IOException {
        return switch (layer) {
            case MapLayer.Qcow2 qcow2 -> new OfQcow2(qcow2, buffer);
            case MapLayer.Raw raw -> new OfRaw(raw.file());
        };
    }

    /// Sets [#run] to one that holds `offset`, unless it does already.
    ///
    /// @param mayRead whether the file may be touched
    /// @return false if more steps are needed to know
    abstract boolean find(long offset, boolean mayRead) throws IOException;

    /// Bytes of the disk that this file stands for, a multiple of 512.
    abstract long size();

    /// Whether zeros are read where this file has nothing and none is known below it.
    abstract boolean isBottom();

    /// How many slow things were done so far: tables read, holes asked for.
    abstract long effort();

    /// A raw file: data, and holes that read as zeros (`raw_co_block_status` of `block/file-posix.c`).
    private static final class OfRaw extends LayerReader {

        private final HostHoles holes;
        private long asked;

        OfRaw(ImageFile file) throws IOException {
            this.holes = new HostHoles(file);
        }

        @Override
        boolean find(long offset, boolean mayRead) throws IOException {
            if (run.holds(offset)) {
                return true;
            }
            if (!mayRead) {
                return false;
            }
            Stretch stretch = holes.at(offset);
            asked++;
            run.set(
                    offset,
                    Math.min(stretch.end(), holes.size()),
                    stretch.hole() ? MapRun.ZERO : MapRun.DATA,
                    offset);
            return true;
        }

        @Override
        long size() {
            return holes.size();
        }

        @Override
        boolean isBottom() {
            return true;
        }

        @Override
        long effort() {
            return asked;
        }
    }

    /// A qcow2 image: what its tables say and, where QEMU looks, whether data is a hole of the file
    /// (`qcow2_co_block_status` of `block/qcow2.c`, `BDRV_BLOCK_RECURSE`).
    private static final class OfQcow2 extends LayerReader {

        private final MapLayer.Qcow2 layer;
        private final ClusterMap clusters;
        private final HostHoles holes;

        /// What the tables say where [#run] ends at a hole of the file, or where a hole does.
        private final MapRun found = new MapRun();

        private @Nullable SparseCheck check;
        private boolean dense;
        private boolean sparse;
        private long asked;

        OfQcow2(MapLayer.Qcow2 layer, byte[] buffer) throws IOException {
            this.layer = layer;
            this.clusters = new ClusterMap(layer.file(), layer.image().header(), buffer);
            this.holes = new HostHoles(layer.dataFile());
        }

        @Override
        boolean find(long offset, boolean mayRead) throws IOException {
            if (run.holds(offset)) {
                return true;
            }
            if (!found.holds(offset)) {
                if (!clusters.find(offset, mayRead, run)) {
                    return false;
                }
                if (dense || run.origin != MapRun.DATA || run.hostOffset < 0) {
                    return true;
                }
                if (holes.isData(run.hostOffset, run.end - offset)) {
                    return true;
                }
                found.copy(run);
                run.set(offset, offset, MapRun.UNALLOCATED, MapRun.NOWHERE);
            }
            return findHole(offset, mayRead);
        }

        /// Splits what the tables say where holes of the file begin and end.
        private boolean findHole(long offset, boolean mayRead) throws IOException {
            long hostOffset = found.hostOffset(offset);
            long end = found.end;
            int zeros = 0;
            if (!dense) {
                if (!mayRead && !holes.holds(hostOffset)) {
                    return false;
                }
                Stretch stretch = holes.at(hostOffset);
                if (stretch.hole() && !sparse && (!mayRead || !isDecided())) {
                    return false;
                }
                if (!dense) {
                    end = offset + Math.min(end - offset, stretch.end() - hostOffset);
                    zeros = stretch.hole() ? MapRun.ZEROS : 0;
                }
            }
            run.set(offset, end, found.origin | zeros, hostOffset);
            return true;
        }

        /// Whether it is known if holes count. Only asked once there is a hole: until then it makes no difference.
        private boolean isDecided() throws IOException {
            SparseCheck current = check;
            if (current == null) {
                current = new SparseCheck(layer.file(), layer.image().header());
                check = current;
            }
            asked++;
            current.step();
            dense = current.answer() == Answer.DENSE;
            sparse = current.answer() == Answer.SPARSE;
            if (dense || sparse) {
                check = null;
            }
            return dense || sparse;
        }

        @Override
        long size() {
            return layer.image().header().virtualSize();
        }

        @Override
        boolean isBottom() {
            String below = layer.image().backingFile();
            return below == null || below.isEmpty();
        }

        @Override
        long effort() {
            return clusters.tablesRead() + asked;
        }
    }
}
