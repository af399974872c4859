/// The qcow2 format: header, extensions, refcounts, addressing, snapshots, bitmap directory, tables and
/// bits, and the extents that follow from them. Works on any [dev.dirtymap.qcow2.ImageFile] and knows
/// neither locks nor HTTP.
@NullMarked
package dev.dirtymap.qcow2;

import org.jspecify.annotations.NullMarked;
