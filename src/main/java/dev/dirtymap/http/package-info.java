/// The HTTP contract: controllers, wire records, cursors, conditional requests, and the one switch from
/// failures to problems.
///
/// May use `images`, `access` and the public types of `qcow2`; opens no file and takes no lock itself.
@NullMarked
package dev.dirtymap.http;

import org.jspecify.annotations.NullMarked;
