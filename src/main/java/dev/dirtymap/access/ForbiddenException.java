package dev.dirtymap.access;

/// A caller who is known lacks a right.
public final class ForbiddenException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String scopes;

    /// @param scopes that would do, with spaces between them
    ForbiddenException(String detail, String scopes) {
        super(detail);
        this.scopes = scopes;
    }

    /// What the answer says in `WWW-Authenticate` (RFC 6750).
    public String challenge() {
        return "Bearer error=\"insufficient_scope\", scope=\"%s\"".formatted(scopes);
    }
}
