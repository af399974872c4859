/// Tests of who may do what.
@NullMarked
package dev.dirtymap.access;

import org.jspecify.annotations.NullMarked;
