/// Every operation on an image of ours and, through QEMU, on its twin: what one is the other has to be. No other test
/// needs these classes.
@org.jspecify.annotations.NullMarked
package dev.dirtymap.twin;
