/// What is delivered: the jar, the container image and the chart. These tests run once the jar is packaged, in a JVM of
/// their own, since Helm brings the runtime of Go into it.
@NullMarked
package dev.dirtymap.delivery;

import org.jspecify.annotations.NullMarked;
