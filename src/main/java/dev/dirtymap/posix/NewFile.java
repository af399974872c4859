package dev.dirtymap.posix;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.util.Optional;

/// A file that is written before it has its name: readers find it whole or not at all, and it never
/// takes the place of another.
///
/// ```java
/// try (NewFile made = root.createFile(path)) {
///     write(made.file().channel());
///     made.publish();
/// }
/// ```
///
/// Closed without [#publish()], or ended with the process, it leaves nothing. Where the file system
/// knows no files without a name (`O_TMPFILE` in open(2)), it has its name from the start, empty at
/// first, and closing takes that away again; only there can a crash leave half a file.
public final class NewFile implements AutoCloseable {

    private final OpenFolder folder;
    private final byte[] name;
    private final String what;
    private final Descriptor descriptor;
    private final PosixFile file;
    private boolean named;
    private boolean published;

    private NewFile(
            OpenFolder folder, byte[] name, String what, Descriptor descriptor, boolean named) {
        this.folder = folder;
        this.name = name;
        this.what = what;
        this.descriptor = descriptor;
        this.file = new PosixFile(descriptor, true, what);
        this.named = named;
    }

    /// Takes over `folder` once it returns. [FileAlreadyExistsException] when the name is taken by
    /// whatever it is.
    static NewFile in(OpenFolder folder, byte[] name, String what) throws IOException {
        if (folder.has(name, what)) {
            throw new FileAlreadyExistsException(what);
        }
        Optional<Descriptor> unnamed = folder.createUnnamed(what);
        return unnamed.isPresent()
                ? new NewFile(folder, name, what, unnamed.get(), false)
                : named(folder, name, what);
    }

    /// The same where each file has a name.
    static NewFile named(OpenFolder folder, byte[] name, String what) throws IOException {
        return new NewFile(folder, name, what, folder.create(name, what), true);
    }

    /// Open for reading and writing until this is closed. It can be locked already, and then is
    /// locked when it gets its name.
    public PosixFile file() {
        return file;
    }

    /// Syncs the file, gives it its name and syncs the folder: after that it outlasts a loss of
    /// power. To be called once.
    ///
    /// [FileAlreadyExistsException] when the name was taken meanwhile. After any failure the file is
    /// not published, and closing removes it.
    public synchronized void publish() throws IOException {
        if (published) {
            throw new IllegalStateException(what + " must be published once but was already");
        }
        complete();
        folder.sync();
        published = true;
    }

    /// As [#publish()], but under another name and over the file that has it.
    synchronized void publishOver(byte[] newName) throws IOException {
        complete();
        folder.rename(name, newName, what);
        published = true;
        folder.sync();
    }

    /// Closes the file, and takes its name away unless it was published. The second time it does
    /// nothing.
    @Override
    public synchronized void close() throws IOException {
        try {
            if (named && !published) {
                named = false;
                folder.deleteIfSame(name, descriptor, what);
            }
        } finally {
            file.close();
            folder.close();
        }
    }

    private void complete() throws IOException {
        file.channel().force(true);
        if (!named) {
            folder.link(descriptor, name, what);
            named = true;
        }
    }
}
