package dev.dirtymap.access;

import dev.dirtymap.images.NamePrefixes;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.stereotype.Component;

/// Who is calling on this thread, what he may see and what he may do.
@Component
public final class Callers implements Supplier<NamePrefixes> {

    private final boolean everybody;

    Callers(AccessProperties properties) {
        this.everybody = properties.kind() == AccessProperties.Mode.NONE;
    }

    /// Null if nobody has shown who he is.
    @Nullable Caller current() {
        if (everybody) {
            return Caller.ANYONE;
        }
        return SecurityContextHolder.getContext().getAuthentication() instanceof Authenticated known
                ? known.caller()
                : null;
    }

    /// Whether the caller may see what is told of the service as a whole.
    boolean seesAll() {
        Caller caller = current();
        return caller != null && caller.seesAll();
    }

    /// Which images there are for the caller.
    @Override
    public NamePrefixes get() {
        Caller caller = current();
        return caller == null ? NamePrefixes.NONE : caller.visible();
    }

    /// Demands what an operation needs that shows in its body only.
    ///
    /// @param what as in [OperationScopes]
    /// @throws ForbiddenException if the caller lacks a scope
    public void require(String what) {
        require(what, List.of(OperationScopes.of(what)));
    }

    /// Demands that a caller has all scopes of one of these sets.
    void require(String what, List<Set<Scope>> either) {
        Caller caller = current();
        if (caller == null) {
            throw new UnauthenticatedException();
        }
        if (either.stream().noneMatch(caller.scopes()::containsAll)) {
            throw new ForbiddenException(
                    "%s needs %s, but the token '%s' has %s"
                            .formatted(
                                    what,
                                    either.stream()
                                            .map(Scope::texts)
                                            .collect(Collectors.joining(" or ")),
                                    caller.name(),
                                    caller.scopes().isEmpty()
                                            ? "no scope"
                                            : Scope.texts(caller.scopes())),
                    either.stream()
                            .min(Comparator.comparing(Scope::texts))
                            .map(Scope::texts)
                            .orElse(""));
        }
    }
}
