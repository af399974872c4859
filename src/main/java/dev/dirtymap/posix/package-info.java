/// What the JDK has not, by the foreign function API: opening beneath a folder without following
/// links, listing names as bytes, one `fstat` with the identity and all times of a file, OFD locks,
/// room on the disk, and files that have their name only when they are whole.
///
/// May import `java.*` and JSpecify only, and knows nothing of images. All native handles are in
/// one class, `Libc`. It runs on Linux 5.6 or later, x86_64 and aarch64, with glibc or musl, under
/// any locale.
///
/// Three rules hold for every class here:
///
/// * **Names are bytes.** A `java.nio.file.Path` cannot hold every name that Linux allows, and
///   under `LC_ALL=C` not even `é`. Only messages decode a name, as UTF-8 with U+FFFD for what is
///   not.
/// * **What must not be opened looks absent.** A symbolic link, a device or a path that leads
///   outside is a [java.nio.file.NoSuchFileException], just as a name that is not there, so a
///   caller who may choose the name learns nothing about the machine.
/// * **A descriptor number is used under a lock and closed once**, see `Descriptor`: numbers are
///   reused at once, and a late call would hit somebody else's file.
///
/// A native call pins the carrier of a virtual thread. The calls here touch metadata only and never
/// wait for a lock; reading, writing and syncing goes through
/// [dev.dirtymap.posix.PosixFile#channel()], for which the JDK compensates.
@NullMarked
package dev.dirtymap.posix;

import org.jspecify.annotations.NullMarked;
