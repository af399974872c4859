/// Tests of the package of the same name.
@NullMarked
package dev.dirtymap.images;

import org.jspecify.annotations.NullMarked;
