/// Tests of the package of the same name.
@NullMarked
package dev.dirtymap.qcow2;

import org.jspecify.annotations.NullMarked;
