/// Who may do what: credentials (`api.md` 9), the scopes that each operation needs, the names that a caller may see,
/// and the audit log.
///
/// Spring Security finds out who calls, here and nowhere else. What an operation needs is asked once its route is
/// known, so that no second reading of a path decides. May use `images` for its names; knows nothing of problems,
/// which `http` makes of the exceptions here.
@NullMarked
package dev.dirtymap.access;

import org.jspecify.annotations.NullMarked;
