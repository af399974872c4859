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
import org.apache.tomcat.util.http.MimeHeaders;
import org.springframework.boot.tomcat.servlet.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.http.HttpHeaders;
import org.springframework.stereotype.Component;

/// Refuses what would take much more memory or time than it has bytes, before anybody looks at it, and so before it is
/// known who asks. Of the parts of a path Spring makes objects, and for each `;` Tomcat moves the rest of it: 64 KiB of
/// both are megabytes, and a second. Of media types Spring makes megabytes too, and keeps those of the last 64 texts.
final class RequestLimits extends CoyoteAdapter {

    /// How many `/` and `;` a path may have, and `,` after a `;`, all together. None of ours has more than eight.
    static final int MAX_SEPARATORS = 32;

    /// Two ids, each byte of their names escaped twice over, as in `%7E2F`, take 26,000.
    static final int MAX_PATH = 28 << 10;

    /// The bytes of all `Accept` headers, or of all `Content-Type` ones. Browsers take 150.
    static final int MAX_MEDIA_TYPES = 1 << 10;

    private RequestLimits(Connector connector) {
        super(connector);
    }

    @Override
    protected boolean postParseRequest(
            org.apache.coyote.Request raw,
            Request request,
            org.apache.coyote.Response rawResponse,
            Response response)
            throws IOException, ServletException {
        MimeHeaders headers = raw.getMimeHeaders();
        boolean refused = cut(raw.requestURI().getByteChunk());
        refused |= drop(HttpHeaders.ACCEPT, headers);
        refused |= drop(HttpHeaders.CONTENT_TYPE, headers);
        boolean parsed = super.postParseRequest(raw, request, rawResponse, response);
        if (refused && parsed && !response.isError()) {
            // Its answer comes from ConnectorProblems.
            response.sendError(HttpServletResponse.SC_BAD_REQUEST);
        }
        return parsed;
    }

    /// Cuts off a path where it becomes too much, and says whether it did.
    private static boolean cut(ByteChunk path) {
        byte[] bytes = path.getBytes();
        int start = path.getStart();
        int separators = 0;
        boolean parameters = false;
        for (int i = start; i < path.getEnd(); i++) {
            byte c = bytes[i];
            parameters |= c == ';';
            if (c == '/' || c == ';' || (parameters && c == ',')) {
                separators++;
            }
            if (separators > MAX_SEPARATORS || i - start == MAX_PATH) {
                path.setEnd(i);
                return true;
            }
        }
        return false;
    }

    /// Drops headers that are too long, and says whether it did.
    private static boolean drop(String name, MimeHeaders headers) {
        int length = 0;
        for (int i = headers.findHeader(name, 0); i >= 0; i = headers.findHeader(name, i + 1)) {
            length += headers.getValue(i).getLength();
        }
        if (length <= MAX_MEDIA_TYPES) {
            return false;
        }
        headers.removeHeader(name);
        return true;
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
                            connector.getProtocolHandler().setAdapter(new RequestLimits(connector));
                        }
                    }));
        }
    }
}
