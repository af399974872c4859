package dev.dirtymap.http;

import dev.dirtymap.images.ConfigurationException;
import java.net.InetAddress;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.boot.web.server.autoconfigure.ServerProperties;
import org.springframework.stereotype.Component;

/// Who may come in. There is one mode so far, `none`: everybody, and therefore only from this machine.
@Component
class AccessRules {

    /// Which credentials a request needs.
    ///
    /// @param mode `none`: none, and the service binds to loopback only
    @ConfigurationProperties("dirtymap.auth")
    record AccessProperties(@DefaultValue("none") String mode) {}

    AccessRules(
            AccessProperties access,
            ServerProperties server,
            @Value("${management.server.port:#{null}}") @Nullable Integer managementPort,
            @Value("${management.server.address:#{null}}") @Nullable InetAddress management) {
        if (!access.mode().toLowerCase(Locale.ROOT).equals("none")) {
            throw new ConfigurationException(
                    "dirtymap.auth.mode is '%s', which this release does not have."
                            .formatted(access.mode()),
                    "Set dirtymap.auth.mode (DIRTYMAP_AUTH_MODE) to none.");
        }
        requireLoopback("server.address (SERVER_ADDRESS)", server.getAddress());
        // A port of its own makes the management endpoints listen on every address by default.
        boolean separate =
                managementPort != null
                        && managementPort >= 0
                        && !managementPort.equals(server.getPort());
        if (management != null || separate) {
            requireLoopback("management.server.address (MANAGEMENT_SERVER_ADDRESS)", management);
        }
    }

    private static void requireLoopback(String property, @Nullable InetAddress address) {
        if (address == null || !address.isLoopbackAddress()) {
            throw new ConfigurationException(
                    "%s is %s, but with dirtymap.auth.mode none the service serves this machine only."
                            .formatted(
                                    property,
                                    address == null ? "every address" : address.getHostAddress()),
                    "Set it to 127.0.0.1 or ::1, and put a proxy that checks credentials before it.");
        }
    }
}
