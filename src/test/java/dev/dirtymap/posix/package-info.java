/// Tests with real files, real processes and real QEMU. They run as root and as an ordinary user.
@NullMarked
package dev.dirtymap.posix;

import org.jspecify.annotations.NullMarked;
