package dev.dirtymap.http;

import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.apache.catalina.Lifecycle;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.connector.CoyoteAdapter;
import org.apache.catalina.connector.Request;
import org.apache.catalina.connector.Response;
import org.apache.tomcat.util.buf.ByteChunk;
import org.springframework.boot.tomcat.servlet.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.stereotype.Component;

/// Refuses paths of many parts before anybody looks at the parts. No path of ours has more than eight, but 64 KiB have
/// room for 30,000: Spring makes megabytes of objects of them, in each of a hundred connections at once, and Tomcat
/// moves the rest of the path for each `;`, which takes it a second.
final class PathLimit extends CoyoteAdapter {

    /// How many `/` and `;` a path may have, both together.
    static final int MAX_SEPARATORS = 32;

    private PathLimit(Connector connector) {
        super(connector);
    }

    @Override
    protected boolean postParseRequest(
            org.apache.coyote.Request raw,
            Request request,
            org.apache.coyote.Response rawResponse,
            Response response)
            throws IOException, ServletException {
        boolean cut = cut(raw.requestURI().getByteChunk());
        boolean parsed = super.postParseRequest(raw, request, rawResponse, response);
        if (cut) {
            // Goes on to ConnectorProblems, and to no servlet.
            response.sendError(HttpServletResponse.SC_BAD_REQUEST);
        }
        return parsed;
    }

    /// Cuts a path off before the first separator too many, and says whether it had one.
    private static boolean cut(ByteChunk path) {
        byte[] bytes = path.getBytes();
        int separators = 0;
        for (int i = path.getStart(); i < path.getEnd(); i++) {
            if ((bytes[i] == '/' || bytes[i] == ';') && ++separators > MAX_SEPARATORS) {
                path.setEnd(i);
                return true;
            }
        }
        return false;
    }

    @Component
    static final class Customizer
            implements WebServerFactoryCustomizer<TomcatServletWebServerFactory> {

        @Override
        public void customize(TomcatServletWebServerFactory factory) {
            factory.addConnectorCustomizers(connector ->
                    connector.addLifecycleListener(event -> {
                        // Until then it has Tomcat's own, and no connection.
                        if (Lifecycle.AFTER_INIT_EVENT.equals(event.getType())) {
                            connector.getProtocolHandler().setAdapter(new PathLimit(connector));
                        }
                    }));
        }
    }
}
