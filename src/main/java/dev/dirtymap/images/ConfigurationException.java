package dev.dirtymap.images;

/// The service is configured in a way in which it must not start.
public final class ConfigurationException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String action;

    /// Says what is wrong, with the property and its value, and what to do about it.
    public ConfigurationException(String description, String action) {
        super(description);
        this.action = action;
    }

    /// What to do about it.
    public String action() {
        return action;
    }
}
