package dev.dirtymap.access;

import dev.dirtymap.images.NamePrefixes;
import java.util.EnumSet;
import java.util.Set;

/// Somebody who may come in.
///
/// @param name for the log
/// @param visible which images there are for him
record Caller(String name, Set<Scope> scopes, NamePrefixes visible) {

    /// Whoever reaches the loopback address where no credentials are asked for.
    static final Caller ANYONE = new Caller("anyone", EnumSet.allOf(Scope.class), NamePrefixes.ALL);

    Caller {
        scopes = Set.copyOf(scopes);
    }

    /// Whether he may see what is told of the service as a whole, which may name any image.
    boolean seesAll() {
        return scopes.contains(Scope.READ) && visible.areAll();
    }
}
