/// Tests of the service over real HTTP, on real images.
@NullMarked
package dev.dirtymap.http;

import org.jspecify.annotations.NullMarked;
