/// Tests of the project as a whole.
@NullMarked
package dev.dirtymap;

import org.jspecify.annotations.NullMarked;
