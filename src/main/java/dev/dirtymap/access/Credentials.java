package dev.dirtymap.access;

/// Finds out whose a token is.
@FunctionalInterface
interface Credentials {

    /// Finds the caller.
    ///
    /// @throws UnauthenticatedException if it is nobody's
    /// @throws KeysUnavailableException if nobody can tell
    Caller whose(String token);
}
