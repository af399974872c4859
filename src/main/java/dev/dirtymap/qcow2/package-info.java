/// The qcow2 format, for reading and for changing bitmaps: works on any [dev.dirtymap.qcow2.ImageFile] and knows neither locks nor
/// HTTP. May use `java.*` only. [dev.dirtymap.qcow2.Rule] lists every rule that can be found broken.
///
/// What becomes of each part of the format:
///
/// | part | what is done with it |
/// |---|---|
/// | header, versions 2 and 3, any legal length | read, every field checked as QEMU does; unknown additional fields skipped |
/// | incompatible bits 0 dirty, 1 corrupt | shown; reading bitmaps does not depend on them |
/// | incompatible bit 2 data file | shown with the file's name; asked for its holes by the map; bitmaps are in the qcow2 file all the same |
/// | incompatible bits 3 compression type, 4 extended L2 | shown, checked against the fields that belong to them |
/// | other incompatible bits | refused: the image is unreadable |
/// | compatible bits | shown, unknown ones by number |
/// | autoclear bit 0 bitmaps | decides whether bitmaps are valid or orphaned |
/// | autoclear bit 1 raw data file | shown, checked against the data file bit |
/// | other autoclear bits | shown by number |
/// | extension: backing format, data file name | shown |
/// | extension: feature name table | parsed, kept |
/// | extension: bitmaps | acted on; of several the last one counts |
/// | extension: LUKS header | checked; bitmaps are in clear text |
/// | other extensions | kept as bytes |
/// | refcount table and blocks, every width | read on demand ([dev.dirtymap.qcow2.Refcounts]); checked as a whole ([dev.dirtymap.qcow2.Check]) |
/// | L1 and L2 tables | addressing parameters ([dev.dirtymap.qcow2.Addressing]); walked for the clusters that they refer to by [dev.dirtymap.qcow2.Check], and for what is where on the disk by [dev.dirtymap.qcow2.MapReader]; guest data is not read |
/// | snapshot table | checked entry by entry, counted; the snapshots' tables are walked by [dev.dirtymap.qcow2.Check] |
/// | directory entry: table offset and size, name, granularity | acted on |
/// | directory entry: flags in_use, auto | acted on; extra_data_compatible and unknown flags make a bitmap unsupported |
/// | directory entry: type, extra data | shown; anything but type 1 without extra data is unsupported |
/// | bitmap table entries | acted on; reserved bits must be 0 |
/// | bitmap data | read in pieces; bits past the end of the disk are masked |
@NullMarked
package dev.dirtymap.qcow2;

import org.jspecify.annotations.NullMarked;
