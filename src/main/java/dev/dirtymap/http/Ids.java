package dev.dirtymap.http;

import dev.dirtymap.images.Id;

/// Reads the ids of a request.
final class Ids {

    private Ids() {}

    /// @param parameter which one, for the error
    /// @throws ProblemException 400 if the text is no canonical id
    static Id parse(String parameter, String text) {
        try {
            return Id.parse(text);
        } catch (IllegalArgumentException e) {
            throw ProblemException.invalid(parameter, String.valueOf(e.getMessage()));
        }
    }
}
