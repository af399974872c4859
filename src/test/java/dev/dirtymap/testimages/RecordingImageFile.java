package dev.dirtymap.testimages;

import dev.dirtymap.qcow2.ImageFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// Passes everything on and remembers what changed the file and when it was synced, for [PowerCut].
///
/// What only reserves room changes no byte and is not remembered.
public final class RecordingImageFile implements ImageFile {

    private final ImageFile file;
    private final List<DiskEvent> events = new ArrayList<>();

    /// @param file is changed; to keep the first state too, pass an [OverlayImageFile] on it
    public RecordingImageFile(ImageFile file) {
        this.file = file;
    }

    /// What was done so far, an operation that failed included: it may have done a part.
    public List<DiskEvent> events() {
        return List.copyOf(events);
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public int read(long offset, ByteBuffer destination) throws IOException {
        return file.read(offset, destination);
    }

    @Override
    public void write(long offset, ByteBuffer source) throws IOException {
        events.add(new DiskEvent.Write(offset, source));
        file.write(offset, source);
    }

    /// A sync that fails promises nothing and is not remembered.
    @Override
    public void sync() throws IOException {
        file.sync();
        events.add(new DiskEvent.Sync());
    }

    @Override
    public void reserve(long offset, long length) throws IOException {
        file.reserve(offset, length);
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        events.add(new DiskEvent.Discard(offset, length));
        file.discard(offset, length);
    }
}
