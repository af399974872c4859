package dev.dirtymap.access;

/// The issuer of tokens does not give its keys at the moment, so nobody can tell whether a token is good.
public final class KeysUnavailableException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    KeysUnavailableException(Throwable cause) {
        super("the issuer's keys cannot be had, so the token cannot be checked", cause);
    }
}
