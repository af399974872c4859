/// Measurements that print a table; `bin/bench` runs them.
@org.jspecify.annotations.NullMarked
package dev.dirtymap.bench;
