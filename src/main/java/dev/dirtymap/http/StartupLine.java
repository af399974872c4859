package dev.dirtymap.http;

import dev.dirtymap.images.Images;
import java.net.InetAddress;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.boot.web.server.Ssl;
import org.springframework.boot.web.server.autoconfigure.ServerProperties;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.event.EventListener;
import org.springframework.stereotype.Component;

/// Tells, once the service is ready, where everything is.
@Component
class StartupLine {

    private static final Logger LOG = LoggerFactory.getLogger(StartupLine.class);

    private final Images images;
    private final ServerProperties server;

    StartupLine(Images images, ServerProperties server) {
        this.images = images;
        this.server = server;
    }

    @EventListener
    void ready(ApplicationReadyEvent event) {
        if (event.getApplicationContext() instanceof WebServerApplicationContext context
                && context.getWebServer() != null) {
            InetAddress address = server.getAddress();
            String host = address == null ? "localhost" : address.getHostAddress();
            String base =
                    "%s://%s:%d"
                            .formatted(
                                    Ssl.isEnabled(server.getSsl()) ? "https" : "http",
                                    host.indexOf(':') < 0 ? host : '[' + host + ']',
                                    context.getWebServer().getPort());
            LOG.info(
                    "Dirtymap is ready: API {}/v1/images, Swagger UI {}/swagger-ui.html, images in {}",
                    base,
                    base,
                    images.rootPath());
        }
    }
}
