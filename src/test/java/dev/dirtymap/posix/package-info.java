/// Tests of the package of the same name.
@NullMarked
package dev.dirtymap.posix;

import org.jspecify.annotations.NullMarked;
