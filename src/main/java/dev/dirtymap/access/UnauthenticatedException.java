package dev.dirtymap.access;

/// Nobody knows who calls.
public final class UnauthenticatedException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String challenge;

    /// No credentials came.
    UnauthenticatedException() {
        super("the request has no header 'Authorization: Bearer' with a token");
        this.challenge = "Bearer";
    }

    /// Credentials came that are none.
    UnauthenticatedException(String detail) {
        super(detail);
        this.challenge = "Bearer error=\"invalid_token\"";
    }

    /// What the answer says in `WWW-Authenticate` (RFC 6750).
    public String challenge() {
        return challenge;
    }
}
