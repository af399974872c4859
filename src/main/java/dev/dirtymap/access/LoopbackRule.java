package dev.dirtymap.access;

import dev.dirtymap.images.ConfigurationException;
import java.net.InetAddress;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.web.server.autoconfigure.ServerProperties;
import org.springframework.stereotype.Component;

/// Where no credentials are asked for, nobody comes in from outside this machine.
@Component
class LoopbackRule {

    LoopbackRule(
            AccessProperties access,
            ServerProperties server,
            @Value("${management.server.port:#{null}}") @Nullable Integer managementPort,
            @Value("${management.server.address:#{null}}") @Nullable InetAddress management) {
        if (access.kind() != AccessProperties.Mode.NONE) {
            return;
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
                    "Set dirtymap.auth.mode (DIRTYMAP_AUTH_MODE) to token or jwt, so that callers must show who"
                            + " they are, or the address to 127.0.0.1 or ::1.");
        }
    }
}
