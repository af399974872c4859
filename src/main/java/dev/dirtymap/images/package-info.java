/// Named, locked images: finds a file below the root, takes the locks that QEMU understands, opens it as
/// [dev.dirtymap.qcow2.Image], runs the work handed in, and closes everything.
///
/// May use `qcow2` and `posix`; knows nothing of HTTP.
@NullMarked
package dev.dirtymap.images;

import org.jspecify.annotations.NullMarked;
