/// The service's entry point. Everything else lives one level down.
@NullMarked
package dev.dirtymap;

import org.jspecify.annotations.NullMarked;
